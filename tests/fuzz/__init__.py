"""A socket fuzzer: what nobody would send, sent while real invocations run."""
