"""`assert_no_leaked_leases`: who has taken a connection has given it back."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..books.records import HELD, Slot
from ..books.report import describe
from ..config import check_pool_arguments
from ..pooling.base import PoolBase, every_pool, on_new_pool
from .blocks import block

__all__ = ["assert_no_leaked_leases"]

PAUSE = 0.005  # seconds between two looks, while something is out

# A connection that is out, and since when: the same one may be lent again.
Out = tuple[Slot, float]


@block
def assert_no_leaked_leases(*, within: float = 1.0) -> Iterator[None]:
    """Fail if a connection that was taken inside is still out at the end, naming who has it.

    Looks at all pools of this process. A server of the test's own, in another thread, may give
    one back a moment after its answer was read: for that it waits up to `within` seconds (not
    in an event loop, which it would hold up). What was out before is not its business.
    """
    check_pool_arguments(timeout=within)
    before = {(id(slot), at) for _, (slot, at) in _all_out()}
    with _noting_sites():
        yield
        leaked = _wait_for_none(before, within)
    if leaked:
        raise AssertionError(_told(leaked))


def _all_out() -> list[tuple[PoolBase, Out]]:
    found = []
    for pool in every_pool():
        pool.stats()  # which settles what finalizers have left behind
        with pool._lock:
            slots = pool._ledger.slots()
        found += [(pool, (slot, slot.taken_at)) for slot in slots if slot.state is HELD]
    return found


def _new(before: set[tuple[int, float]]) -> list[tuple[PoolBase, Slot]]:
    return [(pool, slot) for pool, (slot, at) in _all_out() if (id(slot), at) not in before]


def _wait_for_none(before: set[tuple[int, float]], within: float) -> list[tuple[PoolBase, Slot]]:
    """Return what is out and was not `before`, as soon as that is nothing, or in the end."""
    if _new(before):  # not kept: nobody else may have a reference to it
        gc.collect()  # a lease that was dropped is given back: perhaps it is in a cycle
    leaked = _new(before)
    end = time.monotonic() + (0.0 if _is_in_loop() else within)
    while leaked and time.monotonic() < end:
        time.sleep(PAUSE)
        leaked = _new(before)
    return leaked


def _is_in_loop() -> bool:
    return asyncio._get_running_loop() is not None


@contextmanager
def _noting_sites() -> Iterator[None]:
    """Have pools note where each connection is taken, as they do when they look for leaks."""
    own: list[tuple[PoolBase, float | None]] = []

    def begin(pool: PoolBase) -> None:
        if pool.leak_detection_threshold is None:
            own.append((pool, None))
            pool.leak_detection_threshold = sys.float_info.max
            pool.heed_observers()

    stop: Callable[[], None] = on_new_pool(begin)
    try:
        for pool in every_pool():
            begin(pool)
        yield
    finally:
        stop()
        for pool, threshold in own:
            pool.leak_detection_threshold = threshold
            pool.heed_observers()


def _told(leaked: list[tuple[PoolBase, Slot]]) -> str:
    now = time.monotonic()
    lines = [f'  pool "{pool.alias}": {describe(slot, now)}' for pool, slot in leaked]
    count = "a connection is" if len(lines) == 1 else f"{len(lines)} connections are"
    return (
        f"{count} still out; end the lease (`with`, or the response's close()), or release "
        "what get_connection() gave:\n" + "\n".join(lines)
    )
