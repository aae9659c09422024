"""Upper bounds on a machine that is busy: its own lateness is measured and allowed for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

TICK = 0.005
# What a bound may be exceeded by on a machine with nothing else to do.
SLACK = 0.1


class Metronome:
    """A thread that sleeps in short ticks and adds up how late it woke.

    That is the time in which this process was ready to run and could not. All of it
    counts, not only the worst tick: one wait may be made of many steps, each of them late.
    """

    def __init__(self) -> None:
        # How late so far, and when the last tick was: one tuple, so that a reader never
        # sees one without the other.
        self._record = (0.0, time.monotonic())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """Assert that the block ends, well or badly, within so many seconds."""
        late_before, began = self.lateness(), time.monotonic()
        try:
            yield
        finally:
            elapsed = time.monotonic() - began
            late = self.lateness() - late_before
            assert elapsed <= seconds + SLACK + late, (
                f"{elapsed:.3f} s where {seconds:.3f} s were allowed; "
                f"the machine was {late:.3f} s late"
            )

    def lateness(self) -> float:
        """Return the seconds of lateness so far, those of a tick now overdue included."""
        late, ticked_at = self._record
        return late + max(0.0, time.monotonic() - ticked_at - TICK)

    def _run(self) -> None:
        self._record = (0.0, time.monotonic())
        while not self._stop.wait(TICK):
            self._record = (self.lateness(), time.monotonic())
