"""Ctrl-C and `kill`: one interruption, after which everything is put away in order."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]

# SIGINT: heard also where a script has started the demo with `&`, which ignores it.
# SIGHUP: the terminal was closed; by default that would leave the server behind. Not
# heard under `nohup`, which ignores it.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns these signals into one `KeyboardInterrupt` in the main thread.

    Only the first counts: a second Ctrl-C must not cut short what cleans up after the
    first. A context manager; after an interruption the signals stay ignored, because
    the process is about to end.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self.number: int = 0  # of the signal that struck
        self._held = False

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._strike)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.number else before)

    def _strike(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            return
        self.number = number
        if not self._held:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Generator[None, None, None]:
        """Let nothing interrupt the block; what strikes in it does so at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self.number:
            raise KeyboardInterrupt
