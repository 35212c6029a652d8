"""Children: local processes started, heard, frozen, measured and ended with their whole trees."""

from lambda_sim.process.child import ManagedProcess
from lambda_sim.process.sandbox import LocalSandbox
from lambda_sim.process.surroundings import child_environment

__all__ = ["LocalSandbox", "ManagedProcess", "child_environment"]
