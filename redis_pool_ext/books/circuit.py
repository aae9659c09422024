"""Down is not exhausted: after a few failed dials, stop making callers wait for one."""

from __future__ import annotations

import random

__all__ = ["BACKOFF_CAP", "HEAD_START", "Circuit", "ServerFull"]

FAILURES_TO_OPEN = 3
BACKOFF_BASE = 0.1
BACKOFF_CAP = 5.0
HEAD_START = 0.5  # seconds that callers leave to whoever probes in the background
FULL_PAUSE = 1.0  # seconds between two dials to a server that has no room


class Circuit:
    """Count dials that failed in a row; when open, admit one prober at a time.

    No lock of its own: every method is called under the pool's lock. No thread either:
    the first caller after the backoff is the prober, everybody else is told at once. Where
    somebody has promised to probe in the background, callers leave it to them, and take it
    upon themselves if that does not happen.
    The backoff doubles from 0.1 s to `longest_backoff` seconds; each is a random part of that
    ("full jitter"), so that many processes do not knock together.
    """

    __slots__ = (
        "_failures", "_longest_backoff", "_prober", "is_open", "is_promised", "last_error",
        "next_probe",
    )  # fmt: skip

    def __init__(self, longest_backoff: float = BACKOFF_CAP) -> None:
        self._longest_backoff = longest_backoff
        self._failures = 0
        self._prober: int | None = None
        self.is_open: bool = False  # the server counts as down; asked by everybody who queues up
        self.last_error: BaseException | None = None
        self.next_probe: float = 0.0
        self.is_promised: bool = False  # the next probe, by nobody's caller

    @property
    def state(self) -> str:
        """Name the state as `stats()` shows it."""
        if not self.is_open:
            return "closed"
        return "open" if self._prober is None else "probing"

    def admits(self, now: float) -> bool:
        """Tell whether a caller's dial may start now."""
        return not self.is_open or self.is_due(now - HEAD_START if self.is_promised else now)

    def is_due(self, now: float) -> bool:
        """Tell whether the server is to be looked for now: it counts as down, and nobody does."""
        return self.is_open and self._prober is None and now >= self.next_probe

    def begin(self, key: int) -> None:
        """Note that the slot `key` starts to dial; on an open circuit it is the probe."""
        if self.is_open:
            self._prober = key

    def let_go(self, key: int) -> None:
        """Forget the probe of slot `key`, however it ended."""
        if self._prober == key:
            self._prober = None

    def succeeded(self) -> None:
        """Note a finished handshake: the server is there."""
        self._failures = 0
        self.is_open = False
        self.last_error = None

    def failed(self, now: float, error: BaseException) -> None:
        """Note a dial that did not reach the server; `error` is kept, for as long as that lasts."""
        self._failures += 1
        self.last_error = error
        self.is_promised = False
        steps = min(self._failures - FAILURES_TO_OPEN, 16)
        if steps >= 0:
            self.is_open = True
            backoff = min(self._longest_backoff, BACKOFF_BASE * 2.0**steps)
            self.next_probe = now + random.uniform(0.0, backoff)


class ServerFull:
    """Whether the server takes no further client (`maxclients`); not the same as down.

    Dialling again at once would be refused again, and is in vain while connections that
    are there come back. No lock of its own, as above.
    """

    __slots__ = ("error", "until")

    def __init__(self) -> None:
        self.until: float = 0.0
        self.error: BaseException | None = None  # None: it is not full, as far as we know

    def admits(self, now: float) -> bool:
        """Tell whether a dial may start now."""
        return now >= self.until

    def refused(self, now: float, error: BaseException) -> None:
        """Note that the server turned a dial away."""
        self.until = now + random.uniform(FULL_PAUSE / 2, FULL_PAUSE)
        self.error = error

    def forget(self) -> None:
        """Begin anew: it took one more, or does not even answer."""
        self.until = 0.0
        self.error = None
