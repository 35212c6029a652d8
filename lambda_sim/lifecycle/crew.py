"""The processes of an environment's own: who lives, and who is just being started. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lambda_sim.model.process import ProcessRole


class Crew:
    """Who is known by name, and of which names there is a process.

    :param names: extensions that have, or may have, a process of their own.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.external = set(names)
        """Names of extensions that count as external."""
        self.launches: set[object] = set()
        """What somebody is starting just now, and is not there yet."""
        self._live: list[tuple[ProcessRole, str]] = []

    @property
    def live_extensions(self) -> set[str]:
        return {name for role, name in self._live if role is ProcessRole.EXTENSION}

    def joined(self, role: ProcessRole, name: str, launch: object | None) -> None:
        """One is about to start.

        :param launch: what stands for it until it is there, if resets have to wait for that.
        """
        self._live.append((role, name))
        if launch is not None:
            self.launches.add(launch)
        if role is ProcessRole.EXTENSION:
            self.external.add(name)

    def left(self, role: ProcessRole, name: str) -> None:
        """One ended, or did not start after all."""
        if (role, name) in self._live:
            self._live.remove((role, name))

    def start_over(self) -> None:
        """All were ended with their generation."""
        self._live.clear()
