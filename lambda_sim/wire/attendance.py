"""A caller attends to the connections of those who work on his invocation, on his own thread.

Two threads would have to wake each other for every answer, and take turns with the interpreter's
lock. So a connection that waits in Next is lent to the caller of what it waits for: he sends what
its own thread was to send, which sleeps on, and answers what comes then.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from typing import Self, TypeVar, cast

from lambda_sim.lifecycle.environment import ANSWER_GRACE, ExecutionEnvironment
from lambda_sim.lifecycle.handover import Borrowed
from lambda_sim.lifecycle.ledger import Record
from lambda_sim.lifecycle.registry import Errand
from lambda_sim.sync import Deadline
from lambda_sim.wire import rendering
from lambda_sim.wire.answers import SendFailed
from lambda_sim.wire.bell import Bell
from lambda_sim.wire.connection import Connection
from lambda_sim.wire.extensions_api import event_body, event_lines
from lambda_sim.wire.runtime_api import invocation_lines

__all__ = ["attend", "give_back"]

T = TypeVar("T")

COMPANY_GRACE = 0.002
"""Seconds in which extensions are expected back in Next when the runtime is: then their threads
need not wake, and what the caller calls next finds them waiting."""


def attend(
    environment: ExecutionEnvironment,
    borrowed: Borrowed,
    deadline: Deadline,
    then: Callable[[Record], T],
) -> T | None:
    """Hand an invocation over on its caller's thread, and attend to the connections until the
    runtime asks for the next one, or there is nothing to wait for.

    :param deadline: how long the caller waits.
    :param then: what to make of the answer; done while the runtime is on its way back to Next.
    :returns: what it made; None if there is no answer, or it came some other way.
    """
    record = borrowed.record
    loan, number = borrowed.loan, borrowed.number
    runtime = cast(Connection, borrowed.poll)  # nobody else may be lent
    grace: Deadline | None = None
    made: T | None = None

    def until() -> Deadline:
        nonlocal grace, made
        if record.is_complete and grace is None:
            grace = Deadline.after(ANSWER_GRACE)
            made = then(record)
        return grace or deadline

    def is_over() -> bool:
        return record.runtime_done is not None or environment.is_closed or not loan.is_out(number)

    with Company(environment, borrowed.errands) if borrowed.errands else nullcontext() as company:
        try:
            bell = _bell_for(runtime, company)
            if bell is None:
                return None
            if company is not None:
                company.tell()
            lines = invocation_lines(record)
            runtime.answer_lent(borrowed, rendering.OK, lines, record.invocation.body)
            _attend(runtime, company, bell, is_over, until)
        except SendFailed:
            environment.give_back(record, runtime)
        finally:
            environment.take_back(borrowed)
        if company is not None and record.runtime_done is not None:
            company.see_home(deadline)
    if made is not None:
        environment.hear_answered(record)
    return made


def give_back(environment: ExecutionEnvironment, held: Iterable[Borrowed]) -> None:
    """Let the connections' own threads go on, wherever a signal cut in."""
    for borrowed in held:
        environment.take_back(borrowed)
        for errand in borrowed.errands:
            environment.take_back_event(errand)


def _bell_for(runtime: Connection, company: Company | None) -> Bell | None:
    """What to wait with. None where no descriptor is left for it: then nothing is sent here, and
    the connections' own threads go on."""
    try:
        if company is not None:
            company.listen()
        return runtime.bell
    except OSError:
        return None


def _attend(
    runtime: Connection,
    company: Company | None,
    bell: Bell,
    is_over: Callable[[], bool],
    until: Callable[[], Deadline],
) -> None:
    """Answer requests until it is over, or the time is: both are asked before each wait."""
    eagerness, then = runtime.eagerness
    if company is not None:
        bell.add(company.fd)
    try:
        while True:
            deadline = until()
            if deadline.remaining() == 0.0:
                return
            came = runtime.answer_next()
            if came is None:
                return
            if came:
                if is_over():
                    return
                continue
            ready = bell.wait(deadline, is_over, eagerness)
            eagerness = then
            if company is not None and company.fd in ready:
                company.attend()
            if runtime.fd in ready:
                if not runtime.take_in():
                    return
            elif is_over():
                return
    finally:
        if company is not None:
            bell.forget(company.fd)


class Company:
    """The extensions that are told of an invocation, whose connections are attended to beside the
    runtime's. In the end those are given back that have not asked for Next again."""

    def __init__(self, environment: ExecutionEnvironment, errands: Iterable[Errand]) -> None:
        self._environment = environment
        self._epoll: select.epoll | None = None
        self._errands = list(errands)
        self._at_work: dict[int, tuple[Connection, Errand]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for errand in self._errands:
            self._environment.take_back_event(errand)
        if self._epoll is not None:
            self._epoll.close()

    @property
    def fd(self) -> int:
        """What can be waited for: one of them has something to say."""
        return self._ears.fileno()

    @property
    def _ears(self) -> select.epoll:
        if self._epoll is None:
            self._epoll = select.epoll()
        return self._epoll

    def listen(self) -> None:
        """Hear them from now on.

        :raises OSError: there is nothing left to do it with.
        """
        for errand in self._errands:
            connection = cast(Connection, errand.poll)
            self._ears.register(connection.fd, select.EPOLLIN)
            self._at_work[connection.fd] = connection, errand

    def tell(self) -> None:
        """Send them their events."""
        body = event_body(self._errands[0].notice.event)  # the same for all
        for errand in self._errands:
            connection, identifier = cast(Connection, errand.poll), errand.extension.id
            lines = event_lines(identifier, body)
            try:
                connection.answer_lent(errand, rendering.OK, lines, body)
            except SendFailed:
                self._environment.give_back_event(identifier, errand.notice, connection)
                self._leave(connection.fd)

    def attend(self, seconds: float = 0.0) -> bool:
        """Answer what came, or comes within so many seconds; False if nothing did."""
        ready = self._ears.poll(seconds)
        for fd, _ in ready:
            if fd not in self._at_work:
                continue  # closed, but for a child just being forked, which holds it for a moment
            connection, errand = self._at_work[fd]
            came: bool | None = True if connection.take_in() else None
            while came:
                came = connection.answer_next()
                if not errand.is_out:  # it waits in Next again, perhaps for another caller by now
                    self._forget(fd)
                    break
            else:
                if came is None:
                    self._leave(fd)
        return bool(ready)

    def see_home(self, deadline: Deadline) -> None:
        """Attend to those who are not back yet for a moment more."""
        grace = Deadline.after(COMPANY_GRACE).earlier_of(deadline)
        while self._at_work and (left := grace.remaining()) and self.attend(left):
            pass
        for fd in list(self._at_work):
            self._leave(fd, is_late=True)

    def _leave(self, fd: int, *, is_late: bool = False) -> None:
        """Its own thread goes on with a connection."""
        _, errand = self._forget(fd)
        self._environment.take_back_event(errand, is_late=is_late)

    def _forget(self, fd: int) -> tuple[Connection, Errand]:
        with suppress(OSError):  # who waits in Next again may have been let go, and closed it
            self._ears.unregister(fd)
        return self._at_work.pop(fd)
