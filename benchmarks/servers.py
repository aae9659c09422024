"""Servers on paper: one with room for everybody, and one that does one command at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .clockwork import Clockwork

__all__ = ["OneAtATime", "Roomy", "Server", "Trouble"]

# Seconds until a dial, or a command, to a server that is not there has failed: its host says no.
NO_ANSWER = 0.0002

Told = Callable[[bool], object]  # whether it went well


class Trouble(NamedTuple):
    """From when to when a server is down, or so many times slower; seconds."""

    begin: float
    end: float
    slower: float = 0.0  # times; 0: it is down


class Server(Protocol):
    """What a pool dials, and works on. Each outage begins another `era`."""

    era: int

    def dial(self, told: Told) -> None:
        """Make a connection."""

    def work(self, seconds: float, told: Told) -> None:
        """Do work that takes so long, if nothing is in the way."""


class Roomy:
    """A server that is never the bottleneck: what takes time is the caller's own work."""

    def __init__(
        self, clock: Clockwork, trouble: Trouble | None = None, dial: float = 0.001
    ) -> None:
        self.era = 0
        self._clock = clock
        self._trouble = trouble
        self._dial = dial
        if trouble is not None and not trouble.slower:
            clock.at(trouble.begin, self._break)

    @property
    def is_down(self) -> bool:
        """Tell whether it is down now."""
        trouble = self._trouble
        return (
            trouble is not None
            and not trouble.slower
            and trouble.begin <= self._clock.now < trouble.end
        )

    def dial(self, told: Told) -> None:
        """Make a connection."""
        self._do(self._dial, told)

    def work(self, seconds: float, told: Told) -> None:
        """Do work that takes so long, if nothing is in the way."""
        self._do(seconds * self._slowness(), told)

    def _do(self, seconds: float, told: Told) -> None:
        if self.is_down:
            self._clock.after(NO_ANSWER, told, False)
        else:
            self._clock.after(seconds, self._tell, self.era, told)

    def _tell(self, era: int, told: Told) -> None:
        told(era == self.era)

    def _slowness(self) -> float:
        trouble = self._trouble
        if trouble is None or not trouble.slower:
            return 1.0
        return trouble.slower if trouble.begin <= self._clock.now < trouble.end else 1.0

    def _break(self) -> None:
        self.era += 1


class OneAtATime(Roomy):
    """A server that does one thing at a time, in order: commands, and handshakes of `dial` seconds.

    `waits`: when something came, and for how long it had to wait for its turn. `dials` and
    `knocks`: when it was dialled while it was there, and while it was not.
    """

    def __init__(
        self, clock: Clockwork, trouble: Trouble | None = None, dial: float = 0.0001
    ) -> None:
        super().__init__(clock, trouble, dial)
        self.free_at = 0.0
        self.waits: list[tuple[float, float]] = []
        self.dials: list[float] = []
        self.knocks: list[float] = []

    def dial(self, told: Told) -> None:
        """Make a connection."""
        (self.knocks if self.is_down else self.dials).append(self._clock.now)
        super().dial(told)

    def _do(self, seconds: float, told: Told) -> None:
        now = self._clock.now
        if self.is_down:
            self._clock.after(NO_ANSWER, told, False)
            return
        wait = max(0.0, self.free_at - now)
        self.waits.append((now, wait))
        self.free_at = now + wait + seconds
        self._clock.at(self.free_at, self._tell, self.era, told)

    def _break(self) -> None:
        super()._break()
        self.free_at = 0.0
