"""What docs/security.rst promises, held against sockets, processes and logs."""
