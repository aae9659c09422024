"""The worst wait in a tight loop: the pool beside the smallest fair semaphore there is.

    python benchmarks/fairness.py redis://localhost:6379/0

32 threads share 8 connections for 5 seconds and do one PING per turn, first by way of a
queue of locks that does nothing but hand over, then by way of the pool; three times. What
the first one needs is what threads on this machine cost: compare the ratio, in one run.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from redis_pool_ext import RedisPool

THREADS, CONNECTIONS, SECONDS, ROUNDS = 32, 8, 5, 3


class Smallest:
    """First come, first served: no deadline, no counters, no checks."""

    def __init__(self, items: list[Any]) -> None:
        self._lock = threading.Lock()
        self._free = items
        self._queue: deque[tuple[threading.Lock, list[Any]]] = deque()

    def get(self) -> Any:
        """Wait for an item."""
        with self._lock:
            if self._free and not self._queue:
                return self._free.pop()
            wake, gift = threading.Lock(), []
            wake.acquire()
            self._queue.append((wake, gift))
        wake.acquire()
        return gift[0]

    def put(self, item: Any) -> None:
        """Hand an item to the one who has waited for longest."""
        with self._lock:
            if not self._queue:
                self._free.append(item)
                return
            wake, gift = self._queue.popleft()
            gift.append(item)
            wake.release()


class Result(NamedTuple):
    """How a crowd fared; times in seconds."""

    worst_wait: float
    turns: int
    evenness: float  # the least served over the most served

    def __str__(self) -> str:
        return (
            f"worst wait {self.worst_wait * 1e3:6.1f} ms, {self.turns:6d} turns, "
            f"least over most {self.evenness:.3f}"
        )


def crowd(get: Callable[[], Any], put: Callable[[Any], None]) -> Result:
    """Let the threads loop; each takes a connection, has one reply, and gives it back."""
    worst, served = [0.0] * THREADS, [0] * THREADS
    start, stop = threading.Barrier(THREADS), threading.Event()

    def work(number: int) -> None:
        start.wait()
        while not stop.is_set():
            began = time.monotonic()
            connection = get()
            worst[number] = max(worst[number], time.monotonic() - began)
            connection.send_command("PING")
            connection.read_response()
            put(connection)
            served[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return Result(max(worst), sum(served), min(served) / max(served))


def main(url: str) -> None:
    """Run both, in turn."""
    with RedisPool.from_url(url, max_connections=CONNECTIONS, timeout=60) as pool:
        for _ in range(ROUNDS):
            held = [pool.get_connection() for _ in range(CONNECTIONS)]
            semaphore = Smallest(list(held))
            smallest = crowd(semaphore.get, semaphore.put)
            for connection in held:
                pool.release(connection)
            ours = crowd(pool.get_connection, pool.release)
            print(f"smallest  {smallest}")
            print(f"the pool  {ours}")
            print(f"worst wait, pool over smallest: {ours.worst_wait / smallest.worst_wait:.2f}\n")


if __name__ == "__main__":
    main(sys.argv[1])
