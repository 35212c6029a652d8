"""A case: bytes for one connection, how they are cut, and how the connection ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from random import Random
from urllib.parse import unquote_to_bytes

from tests.fuzz import grammar, mutations

TAKES_AN_EVENT = re.compile(rb"GET +\S*/runtime/invocation/next")
A_POLL = re.compile(rb"/next")
MOST_BEHIND_A_POLL = 50_000
"""Bytes. Of more, the system takes no end in while the server waits and reads nothing."""
PAUSES = (0.0, 0.0, 0.0, 0.001, 0.003)


class Door(Enum):
    """Which of a world's two listeners."""

    RUNTIME = "runtime"
    INVOKE = "invoke"


class Ending(Enum):
    """What the client does when all is sent."""

    FINISH = "finish"
    """Closes its sending side and reads to the end, which must come."""
    CLOSE = "close"
    ABORT = "abort"
    """Resets the connection."""
    HOLD = "hold"
    """Leaves it half open until all is over."""


ENDINGS = (Ending.FINISH,) * 15 + (Ending.CLOSE, Ending.ABORT, Ending.ABORT, Ending.HOLD)


@dataclass(frozen=True)
class Case:
    """What one connection is used for. ``cuts`` are the places where the bytes are sent apart."""

    door: Door
    data: bytes
    ending: Ending = Ending.FINISH
    cuts: tuple[int, ...] = ()
    pause: float = 0.0
    """Seconds between the parts."""

    def parts(self, filled: bytes) -> list[bytes]:
        """The bytes as they are sent."""
        places = [0, *self.cuts, len(filled)]
        return [filled[a:b] for a, b in pairwise(places) if a < b]


def case_of(seed: int, number: int, *, is_rough: bool) -> Case:
    """The case of that number, the same for ever.

    :param is_rough: whether it may take what is another's: poll for an event as the runtime does.
    """
    random = Random(f"{seed}/{number}/{is_rough}")
    while True:
        case = _case(random)
        poll = A_POLL.search(unquote_to_bytes(case.data))
        if poll is not None and len(case.data) - poll.end() > MOST_BEHIND_A_POLL:
            continue
        if is_rough or not takes_an_event(case.data):
            return case


def takes_an_event(data: bytes) -> bool:
    """Whether somewhere in it the runtime's Next is asked for."""
    return any(TAKES_AN_EVENT.search(text) for text in (data, unquote_to_bytes(data)))


def _case(random: Random) -> Case:
    requests = [_request(random) for _ in range(random.choice((1, 1, 1, 1, 2, 3)))]
    data = b"".join(data for _, data in requests)
    door = requests[0][0] if random.random() < 0.9 else random.choice(list(Door))
    case = Case(door, data, random.choice(ENDINGS), pause=random.choice(PAUSES))
    if random.random() < 0.3 and data:
        many = random.choice((1, 1, 3, 30))
        cuts = sorted({random.randrange(len(data)) for _ in range(many)})
        case = replace(case, cuts=tuple(cuts))
    return case


def _request(random: Random) -> tuple[Door, bytes]:
    if random.random() < 0.04:
        return random.choice(list(Door)), mutations.noise(random)
    request = grammar.some_request(random)
    door = Door.INVOKE if b"/functions/" in request.target else Door.RUNTIME
    how = random.random()
    while 0.2 < how < 0.6:
        request = mutations.spoilt(random, request)
        how = random.random()
    data = request.framed()
    if how > 0.8:
        data = mutations.reframed(random, data)
    elif how > 0.6:
        data = mutations.scrambled(random, data)
    return door, data
