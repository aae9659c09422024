"""Threads for tests: started together, joined, and their errors raised here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Spawned(threading.Thread):
    """A thread that keeps what its function returned or raised."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        super().__init__(daemon=True)
        self._function, self._args = function, args
        self.value: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self._function(*self._args)
        except BaseException as error:
            self.error = error

    def result(self, timeout: float = 20) -> Any:
        """Wait for the end; return the value or raise the error."""
        self.join(timeout)
        assert not self.is_alive(), "the thread did not end"
        if self.error is not None:
            raise self.error
        return self.value


def spawn(function: Callable[..., Any], *args: Any) -> Spawned:
    return Spawned(function, *args)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Poll for a condition that another thread brings about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come about"
        time.sleep(0.001)
