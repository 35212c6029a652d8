"""What AWS's contract says of an execution environment, statement by statement, from outside.

A test is named after its statement in the contract; docs/fidelity.rst lists them all, with tests of
other rooms that show a statement. Left out are

- RT-28, EX-15, FS-03, LOG-09: not there.
- RT-09, RT-83 to 88, INV-01 to 06: what a caller's HTTP client sees; tests/wire has it.
- RT-93, ENV-07, RIC-01, RIC-07: what runtime clients do; tests/test_runtimes.py drives real ones.
- TE-10, TE-54, LC-06, LOG-08, FS-01, FS-02: otherwise on purpose, or the runtime's own business.

score/ holds the cases that are played against AWS's own emulator, too.
"""
