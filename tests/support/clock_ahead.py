"""The clock of the package, which a test can set forward: nobody waits for 300 seconds."""

from __future__ import annotations

import sys
import time

import pytest


class Clock:
    """Runs like the monotonic clock, `advance()` seconds ahead of it, until it is stopped."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._stopped_at: float | None = None

    def __call__(self) -> float:
        now = self._stopped_at if self._stopped_at is not None else time.monotonic()
        return now + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def stop(self) -> None:
        """Stand still from now on, for pools that wait for nobody (`timeout=0`)."""
        self._stopped_at = time.monotonic()


def set_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the modules of the package, which have `monotonic` by its name, use `clock`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("redis_pool_ext.") and hasattr(module, "monotonic"):
            monkeypatch.setattr(module, "monotonic", clock)
