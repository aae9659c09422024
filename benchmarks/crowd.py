"""Threads that start together, and work until they are told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

__all__ = ["all_at_once", "threads"]

# Bytes. The threads of a crowd call nothing deep, and five thousand of them need room.
STACK = 256 * 1024


@contextmanager
def threads(jobs: Sequence[Callable[[], object]]) -> Iterator[None]:
    """Run each job in a thread of its own; at the end wait for all, and raise what one raised."""
    errors: list[BaseException] = []

    def work(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    before = threading.stack_size(STACK)
    try:
        crowd = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
        for thread in crowd:
            thread.start()
    finally:
        threading.stack_size(before)
    try:
        yield
    finally:
        for thread in crowd:
            thread.join()
    if errors:
        raise errors[0]


def all_at_once(jobs: Sequence[Callable[[], object]]) -> None:
    """Run the jobs in threads that begin together."""
    start = threading.Barrier(len(jobs))

    def begin(job: Callable[[], object]) -> None:
        start.wait()
        job()

    with threads([lambda job=job: begin(job) for job in jobs]):  # type: ignore[misc]
        pass
