"""A sandbox of local processes: start, hear, freeze, measure and end them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count

import attrs
import psutil

from lambda_sim.closing import each
from lambda_sim.errors import ShuttingDown, SpawnFailed, WaitTimeout
from lambda_sim.model.identifiers import new_id
from lambda_sim.model.process import ProcessConfig, ProcessRole
from lambda_sim.process import tree
from lambda_sim.process.child import ManagedProcess
from lambda_sim.process.door import CAN_OPEN, LOG_FD_PROVIDER, LogDoor
from lambda_sim.process.frames import LOG_FD
from lambda_sim.process.freezer import Freezer
from lambda_sim.process.group import ProcessGroup
from lambda_sim.process.launch import launch
from lambda_sim.process.limit import MemoryLimit
from lambda_sim.process.logs import CAN_HEAR, OnLine
from lambda_sim.process.mark import Birth, child_mark, forks_so_far, kill_bearers, marked
from lambda_sim.process.staff import Staff
from lambda_sim.process.surroundings import child_environment
from lambda_sim.sync import Deadline, Monitor, Worker

__all__ = ["LocalSandbox", "OnExit"]

OnExit = Callable[[ManagedProcess], None]

SPAWNS = "spawns"

ENDED_KEPT = 100

DEATH_TIME = 5.0
"""Seconds that a killed process has to vanish; only one stuck in the kernel takes longer."""

ORPHAN_TIME = 1.0

SPAWN_TIME = 5.0
"""Seconds in which a close waits for those who are starting something; who takes longer ends it."""


@attrs.frozen(eq=False)
class Member:
    """A child and what belongs to it."""

    child: ManagedProcess
    group: ProcessGroup
    watcher: Worker

    @property
    def is_live(self) -> bool:
        return self.group.returncode is None


class LocalSandbox:
    """The local processes of one execution environment, and all that is done to them.

    It owns them, the worker that listens to them, a worker for each that waits for its end, and
    the guard. Nothing runs before the first spawn or registration. Any thread may call anything.

    :param on_line: told each line a child prints, in order for each of its streams, with no lock
        held but the stream's own. It must not stop or close anything.
    :param on_exit: told of each child that ended, after its last line and before whoever waits for
        that child's end, with no lock held.
    :param memory_limit_bytes: what all processes and their descendants may hold together; beyond
        it the largest is killed. None enforces nothing.
    """

    def __init__(
        self, *, on_line: OnLine, on_exit: OnExit, memory_limit_bytes: int | None = None
    ) -> None:
        self._on_line = on_line
        self._on_exit = on_exit
        self._limit = (
            None
            if memory_limit_bytes is None
            else MemoryLimit(memory_limit_bytes, self._live_groups)
        )
        self._freezer = Freezer(self._stopping, self._woken)
        self._mark = f"{new_id()}:"
        self._numbers = count(1)
        self._monitor = Monitor()
        # Guarded by _monitor, all of it; the tuples are replaced, never changed, and reading one
        # of these needs no lock:
        self._staff: Staff | None = None
        self._members: tuple[Member, ...] = ()
        self._measured: tuple[Member, ...] = ()
        self._spawning = 0
        self._is_closing = False
        self._is_full = False  # nobody is admitted any more, also of those being spawned
        self._closers = Monitor()
        # Guarded by _closers, held for the whole of it:
        self._is_closed = False

    @property
    def processes(self) -> list[ManagedProcess]:
        """All started, oldest first: those alive, and the last hundred that ended."""
        return [member.child for member in self._members]

    def live(self, role: ProcessRole | None = None) -> list[ManagedProcess]:
        """Those that have not ended, of one role or all."""
        return [m.child for m in self._members if m.is_live and role in (None, m.child.role)]

    def spawn(
        self,
        config: ProcessConfig,
        variables: Mapping[str, str],
        *,
        generation: int = 0,
        has_log_frames: bool = False,
        has_log_door: bool = False,
    ) -> ManagedProcess:
        """Start a process.

        :param variables: Lambda's own and the function's; those of the config win over them.
        :param generation: which start of the environment it belongs to; only kept with it.
        :param has_log_frames: a runtime is told of a descriptor for log frames, each of which is
            handed over as one line. Whoever set the variable for it already keeps their value.
        :param has_log_door: a runtime is told of a socket at which its workers have log streams of
            their own, with the same right.
        :raises BinaryNotFound: the command names no executable file.
        :raises SpawnFailed: the system refused to start it.
        :raises ShuttingDown: the sandbox is closed.

        AWS: *Using the Lambda Extensions API to create extensions*, Init phase.
        """
        mark = child_mark(self._mark, next(self._numbers))
        environment = marked(child_environment(variables, config), mark)
        is_runtime = config.role is ProcessRole.RUNTIME
        has_frames = has_log_frames and is_runtime and CAN_HEAR and LOG_FD not in environment
        has_door = has_log_door and is_runtime and CAN_OPEN and LOG_FD_PROVIDER not in environment
        with self._place() as staff, ExitStack() as undo:
            door = None
            if has_door:
                door = _new_door()
                undo.callback(door.close)
                environment[LOG_FD_PROVIDER] = door.path
            forks = forks_so_far()
            popen = launch(config, environment, is_heard=CAN_HEAR, has_log_frames=has_frames)
            group = _group(popen, mark, Birth(popen.pid, forks), staff, undo)
            child = ManagedProcess(
                config, group, lambda child, grace: self.stop([child], grace), generation
            )
            watcher = Worker(f"exit-{popen.pid}", lambda: self._watch(child, group, staff))
            member = Member(child, group, watcher)
            undo.callback(self._expel, member)
            self._admit(member)
            undo.callback(staff.output.finish, child)
            staff.output.add(
                child,
                (popen.stdout, popen.stderr),
                copy=config.inherit_stdio,
                has_frames=has_frames,
                door=door,
            )
            _start(watcher, config.words[0])
            undo.pop_all()
        return child

    def register_pid(self, pid: int) -> None:
        """Freeze a process that is not a child of ours, too, with its descendants.

        :raises FreezeError: there is no such process, or stopping it would stop ourselves.
        :raises ShuttingDown: the sandbox is closed.
        """
        with self._place():  # a guard wakes it, should we be killed while it is stopped
            self._freezer.register(pid)

    def freeze(self) -> int:
        """Stop all processes and their descendants; how many are stopped now.

        A process that was stopped by other means is woken by the next thaw, too.

        :raises FreezeError: some could not be stopped; all others are.

        AWS: *Understanding the Lambda execution environment lifecycle*.
        """
        return self._freezer.freeze(self._live_groups())

    def thaw(self) -> None:
        """Let run what was frozen and still lives.

        :raises FreezeError: some could not be woken; all others are.
        """
        self._freezer.thaw()

    @property
    def awake_since(self) -> float | None:
        """Since when nothing is frozen, in monotonic seconds; None while something may be."""
        return self._freezer.awake_since

    def drain(self, flush: bool = False) -> None:
        """Hand over all lines that children have written before this call.

        Not to be called under a lock that ``on_line`` takes.

        :param flush: unfinished lines too.
        """
        staff = self._staff
        if staff is not None:
            staff.output.drain(flush=flush)

    def peak_memory_bytes(self, max_age: float = 0.0) -> int | None:
        """The greatest memory the processes were seen to have; None before the first.

        One that ended counts until it is started again: another runtime, an extension of its name.

        :param max_age: seconds for which what was seen, by whomever, need not be looked at again.

        AWS: *Telemetry API Event schema reference*, platform.report, maxMemoryUsedMB.
        """
        measured = self._measured
        return sum(member.group.peak_bytes(max_age) for member in measured) if measured else None

    def enforce_memory(self) -> bool:
        """Look at once whether the processes keep the memory limit; False without a limit.

        A worker looks as well, every 20 milliseconds while they run. This is for moments that
        count: it is cheap as long as they are far below the limit. ``MemoryLimit`` says what is
        caught.

        :returns: whether a process is being killed for it, by this look or an earlier one whose
            victim is not seen to its end yet. Of a child, ``ran_out_of_memory`` tells the rest.

        AWS: *Configure Lambda function memory*.
        """
        limit = self._limit
        return limit is not None and not limit.is_far and limit.enforce()

    def stop(self, children: Iterable[object], grace: float) -> None:
        """End some together: thaw, SIGTERM to their groups, SIGKILL after the grace, reap.

        When it returns they and their descendants are gone; those that ended before, or are
        not ours, are left.

        :param grace: seconds for them all; 0 kills at once.

        AWS: *Understanding the Lambda execution environment lifecycle*, Shutdown phase.
        """
        wanted = set(children)
        groups = [m.group for m in self._members if m.child in wanted and m.is_live]
        for group in groups:
            group.end()
        orphans = _orphans_to_be(groups)
        if grace > 0:
            self._freezer.release(groups)
            for group in groups:
                group.terminate()
            _await_all(groups, Deadline.after(grace))
        for group in groups:
            group.kill()
        _await_all(groups, Deadline.after(DEATH_TIME))
        tree.asked_until(lambda: not any(map(tree.is_alive, orphans)), ORPHAN_TIME)

    def close(self, grace: float = 0.0) -> None:
        """End all processes, and what listened to and guarded them. Twice is fine.

        What a callback raised meanwhile is raised here.

        :param grace: seconds between SIGTERM and SIGKILL, for all together; 0 kills at once.
        """
        with self._monitor:
            self._is_closing = True
        if any(member.watcher.is_current for member in self._members):
            # A callback is waited for by the close that is under way, so it can't wait for that.
            if self._closers.acquire(blocking=False):
                try:
                    self._end(grace)
                finally:
                    self._closers.release()
            return
        with self._closers:
            if self._is_closed:
                for member in self._members:  # a callback may have closed it, and is to end
                    member.watcher.join(DEATH_TIME)
            self._end(grace)

    def _end(self, grace: float) -> None:
        """All steps to the end, each also if Ctrl-C cuts another short; then the next close takes
        all of them again."""
        if self._is_closed:
            return
        try:
            each(
                self._await_spawns,
                self._fill,
                self._freezer.close,
                partial(self._stop_all, grace),
                self._join_watchers,
                self._kill_unknown,
                self._dismiss,
            )
            self._is_closed = True
        except Exception:  # what callbacks raised
            self._is_closed = True
            raise

    def _stop_all(self, grace: float) -> None:
        try:
            self.stop(self.live(), grace)
        except BaseException:  # it was cut short
            self.stop(self.live(), 0.0)
            raise

    # A spawn

    @contextmanager
    def _place(self) -> Iterator[Staff]:
        """A place for one spawn, which a close waits for."""
        has_place = False
        try:
            with self._monitor:
                if self._is_closing:
                    raise _shutting_down()
                self._spawning += 1
                has_place = True
            yield self._staff or self._hire()
        finally:
            if has_place:
                with (monitor := self._monitor):
                    self._spawning -= 1
                    monitor.changed(SPAWNS)

    def _hire(self) -> Staff:
        """The staff: of two that are hired at one time, the first stays."""
        try:
            mine = Staff.hire(self._on_line, self._limit, self._mark)
        except (OSError, RuntimeError) as error:
            raise SpawnFailed(f"could not start what listens to processes: {error}") from error
        with self._monitor:
            if not self._is_full:
                self._staff = self._staff or mine
            staff = self._staff
        if staff is not mine:
            mine.dismiss()
        if staff is None:
            raise _shutting_down()
        return staff

    def _stopping(self, pid: int) -> None:
        if self._staff is not None:
            self._staff.stopping(pid)

    def _woken(self) -> None:
        if self._staff is not None:
            self._staff.woken()

    def _live_groups(self) -> list[ProcessGroup]:
        return [member.group for member in self._members if member.is_live]

    def _admit(self, new: Member) -> None:
        ended = [member for member in self._members if not member.is_live]
        old = set(ended[:-ENDED_KEPT])
        replaced = old.union(member for member in ended if _replaces(new.child, member.child))
        with self._monitor:
            if self._is_full:
                raise _shutting_down()
            self._members = (*(m for m in self._members if m not in old), new)
            self._measured = (*(m for m in self._measured if m not in replaced), new)

    def _expel(self, failed: Member) -> None:
        with self._monitor:
            self._members = tuple(m for m in self._members if m is not failed)
            self._measured = tuple(m for m in self._measured if m is not failed)

    # An end

    def _watch(self, child: ManagedProcess, group: ProcessGroup, staff: Staff) -> None:
        """See one child to its end."""
        group.await_end()
        orphans = group.kill_rest()  # its leader lies unreaped, so the id is still its own
        try:
            staff.output.finish(child)
        finally:
            staff.forget(group.pid)
            tree.asked_until(lambda: not any(map(tree.is_alive, orphans)), ORPHAN_TIME)
            group.reap()
            # Who waited for the end finds whatever that brings about begun.
            try:
                self._on_exit(child)
            finally:
                group.announce()

    def _join_watchers(self) -> None:
        members = self._members
        for member in members:
            if not member.watcher.join(DEATH_TIME):
                member.group.abandon()
        for member in members:
            if member.watcher.failure is not None:
                raise member.watcher.failure

    def _kill_unknown(self) -> None:
        """Ctrl-C may come when a process is started, and nobody is told of it yet."""
        if self._staff is not None and self._staff.guard is not None:
            unknown = kill_bearers(self._mark, self._staff.guard.birth)
            tree.asked_until(lambda: not any(map(tree.is_alive, unknown)), ORPHAN_TIME)
            for one in unknown:
                with suppress(*tree.UNSEEN):
                    one.wait(0)  # a child of ours, whom nobody else waits for

    def _dismiss(self) -> None:
        staff = self._staff
        if staff is not None:
            staff.dismiss()
            self._staff = None
            staff.raise_failure()

    def _await_spawns(self) -> None:
        with (monitor := self._monitor), suppress(WaitTimeout):
            if not self._is_full:
                limit = Deadline.after(SPAWN_TIME)
                monitor.wait_until(
                    SPAWNS, lambda: None if self._spawning else True, limit, what="spawns under way"
                )

    def _fill(self) -> None:
        """Whoever was not waited for, for so long or as Ctrl-C came, is ended by who starts it."""
        with self._monitor:
            self._is_full = True


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("the sandbox is closed: no process can be started")


def _group(
    popen: subprocess.Popen[bytes], mark: str, birth: Birth, staff: Staff, undo: ExitStack
) -> ProcessGroup:
    """The group of who was just launched. Undone, it is dead and known to be, and unheard."""
    for file in (popen.stdout, popen.stderr):
        if file is not None:
            undo.callback(file.close)
    staff.watch(popen.pid)
    group = ProcessGroup(popen, mark, birth)
    # At one go: who is not killed would be waited for in vain.
    undo.callback(each, group.kill, partial(staff.forget, popen.pid), group.reap, group.announce)
    return group


def _start(watcher: Worker, word: str) -> None:
    try:
        watcher.start()
    except RuntimeError as error:
        raise SpawnFailed(f"{word}: nobody could wait for its end: {error}") from error


def _new_door() -> LogDoor:
    try:
        return LogDoor()
    except OSError as error:
        raise SpawnFailed(f"could not open a socket for the logs of workers: {error}") from error


def _replaces(new: ManagedProcess, old: ManagedProcess) -> bool:
    return new.role is old.role and (new.role is ProcessRole.RUNTIME or new.name == old.name)


def _await_all(groups: Iterable[ProcessGroup], deadline: Deadline) -> None:
    """Wait for the ends that come in time."""
    for group in groups:
        try:
            group.wait(deadline, f"the end of process {group.pid}")
        except WaitTimeout:
            continue


def _orphans_to_be(groups: Iterable[ProcessGroup]) -> list[psutil.Process]:
    """Descendants, known by name while their parents live, to be seen gone afterwards."""
    return [
        known for group in groups for pid in group.descendants() if (known := tree.process(pid))
    ]
