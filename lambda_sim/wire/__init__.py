"""HTTP that the environment's processes speak, and the sockets it comes in by."""
