"""The pools that take part where a server of the benchmark's own answers them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

__all__ = ["Borrowing", "Entry"]


class Borrowing(NamedTuple):
    """How to take a connection from a pool, and to give it back."""

    get: Callable[[], Any]
    put: Callable[[Any], None]


class Entry(NamedTuple):
    """A pool that takes part; `open` makes one for a server on this port."""

    name: str
    open: Callable[[int], AbstractContextManager[Borrowing]]
    note: str
