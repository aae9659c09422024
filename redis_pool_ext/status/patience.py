"""How long a talk between two processes may go on, at either end of it."""

from __future__ import annotations

from time import monotonic

__all__ = ["left_until"]


def left_until(deadline: float) -> float:
    """Return the seconds until a moment of `monotonic()`; raises `TimeoutError` past it.

    For a socket's timeout, of which 0 would be no waiting at all.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
