"""A process of the environment, as people hold it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process.group import ProcessGroup
from lambda_sim.sync import Deadline

__all__ = ["ManagedProcess"]

GRACE = 2.0


class ManagedProcess:
    """A runtime or an extension that runs as a child of ours.

    Made by ``Simulator.spawn_process``. Whoever holds it may use it from any thread, and as a
    context manager, which ends it. It is reaped as soon as it ends, asked or not, and what is
    left of its process group is killed then.
    """

    def __init__(
        self,
        config: ProcessConfig,
        group: ProcessGroup,
        stop: Callable[[ManagedProcess, float], None],
        generation: int = 0,
    ) -> None:
        self.generation = generation
        self._config = config
        self._group = group
        self._stop = stop

    def __repr__(self) -> str:
        code = self.returncode
        state = "running" if code is None else f"exited with {code}"
        return f"<ManagedProcess {self.name!r} ({self.role.value}), pid {self.pid}, {state}>"

    @property
    def pid(self) -> int:
        """The process id, which is the id of its process group too."""
        return self._group.pid

    @property
    def role(self) -> ProcessRole:
        """Runtime or extension."""
        return self._config.role

    @property
    def name(self) -> str:
        """What it is called; an external extension registers under this name.

        AWS: *Using the Lambda Extensions API to create extensions*, Register.
        """
        return self._config.name

    @property
    def config(self) -> ProcessConfig:
        """What it was started from."""
        return self._config

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; a frozen one runs."""
        return self.returncode is None

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal as in subprocess; None while it runs.

        It is known only once all that the process wrote is in the logs.
        """
        return self._group.returncode

    @property
    def dumped_core(self) -> bool:
        """Whether the signal that ended it left a core file."""
        return self._group.dumped_core

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether it ended because the environment used more memory than the function has.

        Either it was killed for that itself, or one of its descendants was and it ended with the
        status that passes this on: 137 of a shell, or SIGKILL. False while it runs.

        AWS: *Configure Lambda function memory*; ``Runtime.OutOfMemory`` in platform.report.
        """
        return self._group.ran_out_of_memory

    def poll(self) -> int | None:
        """The exit status if it ended, without waiting."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Block until it ends, and the environment knows; its exit status.

        :param timeout: seconds; None waits for as long as it takes.
        :raises WaitTimeout: it still runs.
        :raises ShuttingDown: the simulator closed and could not even kill it.
        """
        what = f"{self.name} (pid {self.pid}) to exit"
        return self._group.wait(Deadline.after(timeout), what)

    def terminate(self) -> None:
        """Ask its process group to end: SIGTERM. One that is frozen is woken, to hear it.

        AWS: *Understanding the Lambda execution environment lifecycle*, Shutdown phase.
        """
        self._group.end()
        self._group.terminate()

    def kill(self) -> None:
        """End it and its descendants now: SIGKILL."""
        self._group.end()
        self._group.kill()

    def close(self, grace: float = GRACE) -> None:
        """End it: thaw, terminate, kill after the grace, and reap its whole tree. Twice is fine.

        :param grace: seconds between SIGTERM and SIGKILL; 0 kills at once.
        """
        self._stop(self, grace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
