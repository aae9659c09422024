"""What was last heard of a pool's server: many who ask at the same time are one question.

A readiness probe is open to anybody, and must not be a way to keep a pool's connections busy.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import redis

from ..forks import in_child

__all__ = ["HEARD_FOR", "Hearsay", "hearsay_of"]

# Seconds for which an answer, or the lack of one, is as good as a new one.
HEARD_FOR = 1.0


class Hearsay:
    """The last word about one pool's server: "ok", "unreachable", or "unknown" to begin with."""

    def __init__(self) -> None:
        self.word: str = "unknown"
        self._good_until = 0.0
        # Who pops it asks, and owes it: pop() is one step, so of two only one gets it.
        self._turn = [None]

    @contextmanager
    def asking(self) -> Generator[bool, None, None]:
        """Yield whether to ask: not while somebody else does, nor right after.

        What the question raises is the server's silence.
        """
        if self.is_fresh or not self._take_turn():
            yield False
            return
        try:
            yield True
        except (redis.RedisError, OSError):
            self.note("unreachable")
        finally:
            self._turn.append(None)

    @property
    def is_fresh(self) -> bool:
        """Tell whether the last word is of just now."""
        return monotonic() < self._good_until

    def note(self, word: str) -> None:
        """Note what was heard just now."""
        self.word, self._good_until = word, monotonic() + HEARD_FOR

    def _take_turn(self) -> bool:
        try:
            self._turn.pop()
        except IndexError:
            return False
        return True


_of_pools: weakref.WeakKeyDictionary[Any, Hearsay] = weakref.WeakKeyDictionary()


def hearsay_of(pool: Any) -> Hearsay:
    """Return what was heard of a pool, the same object each time in this process."""
    return _of_pools.setdefault(pool, Hearsay())


@in_child
def _forget() -> None:
    _of_pools.clear()  # somebody may have been asking, who is not here
