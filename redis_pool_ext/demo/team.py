"""Threads that work while the main thread watches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

__all__ = ["GLANCE", "Look", "results", "start"]

T = TypeVar("T")
Look = Callable[[], None]

GLANCE = 0.05  # seconds between two looks


def start(jobs: Iterable[Callable[[], T]]) -> list[Future[T]]:
    """Start each job in a thread of its own.

    Not an executor: that waits for its threads, and Ctrl-C shall not wait for a page.
    """
    futures = []
    for job in jobs:
        future: Future[T] = Future()
        threading.Thread(target=_settle, args=(job, future), daemon=True).start()
        futures.append(future)
    return futures


def results(futures: list[Future[T]], look: Look) -> list[T]:
    """Wait for all, looking twenty times a second; return what they return, in order.

    Raises what the first failed one raised.
    """
    while wait(futures, timeout=GLANCE).not_done:
        look()
    look()
    return [future.result() for future in futures]


def _settle(job: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(job())
    except BaseException as error:  # not lost in the thread: `results` raises it
        future.set_exception(error)
