"""One case is played, and what came back is judged."""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.answers import Answer, Malformed, answers_in
from tests.fuzz.cases import Case, Ending

PATIENCE = 30.0
"""Seconds until a connection that does not end is called one that hangs."""

RESET = struct.pack("@ii", 1, 0)


@dataclass
class Heard:
    """What came back on one connection."""

    data: bytes = b""
    ended: str = "by us"
    """``at its end``, ``by a reset``, ``never``; ``at the door``, where nobody was; or ``by us``,
    who did not wait."""
    sent: int = 0
    held: socket.socket | None = None
    answers: list[Answer] = field(default_factory=list)

    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)


def play(address: tuple[str, int], case: Case, filled: bytes) -> Heard:
    """Send a case's bytes and end as it says.

    :param filled: its bytes, with what the world knows in the place of names.
    """
    heard = Heard()
    try:
        client = socket.create_connection(address, PATIENCE)
    except OSError:
        heard.ended = "at the door"
        return heard
    try:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send(client, case, filled, heard)
        if case.ending is Ending.HOLD:
            heard.held = client
        elif case.ending is Ending.ABORT:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif case.ending is Ending.FINISH:
            _finish(client, heard)
        return heard
    finally:
        if heard.held is None:
            client.close()


def complaint(case: Case, heard: Heard) -> str | None:
    """What is wrong with what came back; None if nothing is. Keeps the answers, taken apart."""
    if heard.ended == "never":
        return "it hangs"
    if heard.ended == "at the door":
        return "nobody listens"
    if heard.ended == "by us":
        return None
    try:
        heard.answers = answers_in(
            heard.data,
            may_lack_bodies=b"HEAD" in case.data,
            may_lack_ends=b"HTTP/1.0" in case.data,
        )
    except Malformed as error:
        # What a reset took away was cut off anywhere.
        return None if heard.ended == "by a reset" else f"malformed: {error}"
    for answer in heard.answers:
        if not (200 <= answer.status < 300 or 400 <= answer.status < 500):
            return f"status {answer.status}: {answer.body[:200]!r}"
    return None


def _send(client: socket.socket, case: Case, filled: bytes, heard: Heard) -> None:
    for part in case.parts(filled):
        try:
            client.sendall(part)
        except OSError:
            return  # it had enough
        heard.sent += len(part)
        if case.pause:
            time.sleep(case.pause)


def _finish(client: socket.socket, heard: Heard) -> None:
    pieces = []
    deadline = time.monotonic() + PATIENCE
    try:
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(65_536):
            pieces.append(piece)
            client.settimeout(max(0.001, deadline - time.monotonic()))
        heard.ended = "at its end"
    except TimeoutError:
        heard.ended = "never"
    except OSError:
        heard.ended = "by a reset"
    heard.data = b"".join(pieces)
