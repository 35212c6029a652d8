"""Many cases at once against one world, while its callers go on calling."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from random import SystemRandom
from threading import Event, Lock

from lambda_sim.errors import LambdaSimError
from tests.fuzz import play, shrink
from tests.fuzz.cases import Case, case_of
from tests.fuzz.play import Heard
from tests.fuzz.world import KEPT, SETTLE, Footprint, World

SEED_VARIABLE = "LAMBDA_SIM_FUZZ_SEED"
PLANS = (
    ("on demand", False),
    ("unready", True),
    ("snap-start", False),
    ("on demand", True),
    ("managed", False),
    ("snap-start", True),
    ("frozen", False),
    ("managed", True),
    ("relaxed", False),
    ("frozen", True),
)
"""Kinds of worlds, and whether they are treated roughly. One without timeouts is not."""
PLAYERS = 6
HELD = 30
"""Half-open connections at one time, at most."""
WARMED_UP = 100


def chosen_seed() -> int:
    """The variable's, or one by chance."""
    given = os.environ.get(SEED_VARIABLE)
    return int(given) if given else SystemRandom().randrange(2**32)


@dataclass
class Finding:
    """A case that went wrong, and how."""

    number: int
    case: Case
    what: str

    @property
    def kind(self) -> str:
        """What is compared to tell one fault from another."""
        return self.what.partition(":")[0]


@dataclass
class Tally:
    """What a storm was, in figures, and what it found."""

    seed: int
    kind: str
    is_rough: bool
    cases: int = 0
    sent: int = 0
    received: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    before: Footprint = field(default_factory=Footprint.now)
    after: Footprint | None = None
    """When the world has closed."""

    @property
    def is_clean(self) -> bool:
        return not (self.findings or self.complaints)

    def __str__(self) -> str:
        manner = "rough" if self.is_rough else "gentle"
        statuses = ", ".join(f"{many} x {status}" for status, many in sorted(self.statuses.items()))
        outcomes = ", ".join(f"{many} {name}" for name, many in sorted(self.outcomes.items()))
        return (
            f"fuzz: seed {self.seed} ({SEED_VARIABLE}), {manner}, {self.kind}: {self.cases} cases, "
            f"{self.sent} bytes out, {self.received} in; {statuses}; invocations: {outcomes}; "
            f"{self.before} -> {self.after}"
        )


def storm(seed: int, kind: str, *, is_rough: bool, cases: int, seconds: float) -> Tally:
    """Play so many cases of a seed, or as many as fit into the time, on a new world."""
    tally = Tally(seed, kind, is_rough)
    with World(kind, is_rough=is_rough) as world:
        _Storm(world, tally).run(cases, seconds)
        tally.complaints += world.complaints
        tally.outcomes += world.outcomes
    tally.after = Footprint.settled(tally.before)
    tally.complaints += tally.after.leaks(tally.before)
    return tally


class _Storm:
    def __init__(self, world: World, tally: Tally) -> None:
        self._world = world
        self._tally = tally
        self._numbers: Iterator[int] = iter(())
        self._is_over = Event()
        self._books = Lock()
        # Guarded by _books, and the tally with it:
        self._held: list[socket.socket] = []

    def run(self, cases: int, seconds: float) -> None:
        tally = self._tally
        is_served = self._world.serves
        if is_served:
            self._world.warm_up()
        idle = Footprint.now()
        with ThreadPoolExecutor(PLAYERS + 2) as pool:
            # Whatever is opened once and kept is opened now.
            self._play(pool, range(-WARMED_UP, 0), seconds)
            warm = self._settled(idle)
            callers = (self._call, self._call_over_http) if is_served else ()
            calling = [pool.submit(caller) for caller in callers]
            try:
                self._play(pool, range(cases), seconds)
            finally:
                self._is_over.set()
            for called in calling:
                try:
                    called.result(2 * SETTLE)
                except (LambdaSimError, OSError) as error:
                    tally.complaints.append(f"a caller: {error!r}")
        self._world.comes_back()
        tally.complaints += self._settled(warm).leaks(warm, bells=KEPT)

    def _play(self, pool: ThreadPoolExecutor, numbers: range, seconds: float) -> None:
        self._numbers = iter(numbers)
        until = time.monotonic() + seconds
        playing: list[Future[None]] = [pool.submit(self._player, until) for _ in range(PLAYERS)]
        for player in playing:
            player.result(seconds + 4 * play.PATIENCE)
        while self._held:
            self._held.pop().close()

    def _player(self, until: float) -> None:
        tally = self._tally
        while time.monotonic() < until and (number := next(self._numbers, None)) is not None:
            case = case_of(tally.seed, number, is_rough=tally.is_rough)
            heard, what = played(self._world, case)
            with self._books:
                self._enter(number, case, heard, what)

    def _enter(self, number: int, case: Case, heard: Heard, what: str | None) -> None:
        if heard.held is not None:
            self._held.append(heard.held)
            if len(self._held) > HELD:
                self._held.pop(0).close()
        tally = self._tally
        tally.cases += 1
        tally.sent += heard.sent
        tally.received += len(heard.data)
        tally.statuses += heard.statuses()
        if what is not None:
            tally.findings.append(Finding(number, case, what))

    def _call(self) -> None:
        for number in count():
            if self._is_over.is_set():
                return
            self._world.call(number)

    def _call_over_http(self) -> None:
        with self._world.connection() as connection:
            for number in count():
                if self._is_over.is_set():
                    return
                self._world.call_over_http(connection, number)

    def _settled(self, idle: Footprint) -> Footprint:
        """What a rough world's reset environment holds is not what it held: nobody compares it."""
        return idle if self._world.is_rough else Footprint.settled(idle, bells=KEPT)


def played(world: World, case: Case) -> tuple[Heard, str | None]:
    """Play a case in a world; what came back, and what is wrong with it."""
    heard = play.play(world.address(case.door), case, world.filled(case))
    what = play.complaint(case, heard)
    world.touched |= {
        answer.headers["lambda-runtime-aws-request-id"]
        for answer in heard.answers
        if "lambda-runtime-aws-request-id" in answer.headers
    }
    return heard, what


def told(tally: Tally) -> str:
    """What a storm found, with the shortest bytes that do it, for people."""
    lines = [str(tally), *dict.fromkeys(text[:2_000] for text in tally.complaints[:20])]
    kinds: dict[str, Finding] = {}
    for finding in tally.findings:
        kinds.setdefault(finding.kind, finding)
    for finding in list(kinds.values())[:3]:
        lines.append(f"case {finding.number}: {finding.what}")
        lines.append(_shortest(tally, finding))
    return "\n".join(lines)


def _shortest(tally: Tally, finding: Finding) -> str:
    """The case again, alone in a new world, and shorter and shorter."""

    def still_fails(data: bytes) -> bool:
        case = replace(finding.case, data=data, cuts=(), pause=0.0)
        with World(tally.kind, is_rough=tally.is_rough) as world:
            if world.serves:
                world.warm_up()
            what = played(world, case)[1]
        return what is not None and what.partition(":")[0] == finding.kind

    case = finding.case
    if not still_fails(case.data):
        return f"not alone in a new world; it was {case}"
    return f"{case.door.value}, {case.ending.value}: {shrink.shortest(case.data, still_fails)!r}"


def say(text: str) -> None:
    """On standard error, where a test's report is."""
    sys.stderr.write(f"{text}\n")
