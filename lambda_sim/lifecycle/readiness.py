"""Who has yet to ask for Next before an invocation is over. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lambda_sim.model.identifiers import ExtensionId


class Readiness:
    """The extensions that one invocation waits for.

    Each invocation has its own, so that a poll is never credited to another's.
    """

    __slots__ = ("_awaited", "_handed")

    def __init__(self, awaited: Iterable[ExtensionId] = ()) -> None:
        self._awaited = set(awaited)
        self._handed: set[ExtensionId] = set()

    @property
    def is_complete(self) -> bool:
        return not self._awaited

    @property
    def awaited(self) -> frozenset[ExtensionId]:
        """Those still at work."""
        return frozenset(self._awaited)

    def handed(self, extension: ExtensionId) -> None:
        """The extension was given this invocation's INVOKE: its next poll says it is done."""
        if extension in self._awaited:
            self._handed.add(extension)

    def taken_back(self, extension: ExtensionId) -> None:
        """It was not given it after all, though it may have asked for Next since."""
        self._awaited.add(extension)
        self._handed.discard(extension)

    def polled(self, extension: ExtensionId, *, late: bool) -> None:
        """The extension asks for Next. ``late`` counts polls of those who were handed nothing."""
        if late or extension in self._handed:
            self.gone(extension)

    def give_up(self) -> None:
        """Nobody is there any more to be waited for."""
        self._awaited.clear()
        self._handed.clear()

    def gone(self, extension: ExtensionId) -> None:
        """The extension is done, or no longer there."""
        self._awaited.discard(extension)
        self._handed.discard(extension)


NOBODY = Readiness()
"""What is ready at once, and stays so: most invocations wait for no extension."""
