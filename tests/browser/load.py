"""Visitors of the shop: at random moments, so many a second, as their number changes."""

from __future__ import annotations

import http.client
import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

PATHS = ["/product/7"] * 12 + ["/cart"] * 5 + ["/stock"]


class Load:
    """Threads that ask for pages; `rate(seconds since the start)` says how many a second."""

    def __init__(self, port: int, rate: Callable[[float], float], visitors: int = 64) -> None:
        self._port, self._rate = port, rate
        self._visitors = visitors
        self._began = time.monotonic()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(visitors)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        while True:
            rate = self._rate(time.monotonic() - self._began)
            if self._over.wait(random.expovariate(rate / self._visitors)):
                return
            with suppress(OSError, http.client.HTTPException):
                self._ask(random.choice(self._paths()))

    def _ask(self, path: str) -> None:
        # A new connection each time, which any worker may take.
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        with closing(connection):
            connection.request("GET", path)
            connection.getresponse().read()

    def _paths(self) -> list[str]:
        seconds = time.monotonic() - self._began
        return PATHS + ["/search"] * (8 if is_rush(seconds) else 1)


def is_rush(seconds: float) -> bool:
    """Tell whether everybody comes at once."""
    return 240 < seconds % 320 < 310


def day(seconds: float) -> float:
    """Return a rate that swells and ebbs, with one rush."""
    rush = 1.9 if is_rush(seconds) else 1.0
    return (100 + 50 * math.sin(seconds / 35)) * rush
