"""What AWS's contract says of an execution environment, statement by statement, from outside.

A test is named after its statement in the contract (docs/fidelity.rst lists them). Left out here:

- RT-09, RT-28, RT-101, RT-102: not to be seen from outside, or the runtime's own business.
- RT-60 to 64, RT-53, RIC-01: SnapStart.
- RT-83 to 88: what an invoker's HTTP client sees of a stream; with the Invoke endpoint.
- RT-44 in part: how a large X-Ray cause is made smaller.
- RT-93, RT-94, ENV-07, RIC-02 and RIC-04 to 09: what runtime clients do.
- EX-15: extensions disabled by a file.
- EX-36, LC-15, section 2.6 and 6.5: managed instances.
- TE-03, TE-06, TE-14, TE-21, platform.fault and platform.end: the Logs API and TCP destinations.
- TE-54: trace context of the W3C in the client context.
- LC-05: init limits of other initialization types. LC-06, LC-08: where a bootstrap is looked for,
  and its wrapper script.
- LC-33: memory limits.
- TE-10, TE-12 and parts of TE-24, TE-41, TE-43 and TE-48: not said, or not seen from outside.
- INV-01 to 06: tests/wire/test_invoke_api.py has them. LOG-01, 06, 08, 09: no runtime version, no
  SnapStart, only the newer form, no images.
- FS-01 to 04: the function's files and user.
"""
