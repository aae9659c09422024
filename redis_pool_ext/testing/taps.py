"""Taps: who wants to see, or to fail, the dials, commands and replies of a pool, in a test."""

from __future__ import annotations

from typing import Any

from ..pooling.base import PoolBase

__all__ = ["Commands", "Tap", "TapOfAlias", "active", "taps_on"]

# Each by its arguments; None: bytes that were packed elsewhere.
Commands = list[tuple[Any, ...]] | None


class Tap:
    """What is done to the connections of some pools. Its methods do nothing here.

    A pool's own questions (the handshake, PING of an idle connection) are no commands.
    """

    def is_for(self, pool: PoolBase) -> bool:
        """Tell whether the connections of this pool are meant."""
        return True

    def dials(self) -> None:
        """Be told of a dial that begins; an `OSError` of this is how it ends."""

    def writes(self) -> OSError | None:
        """Be told that something is about to be written; return how that fails, if it is to."""
        return None

    def sends(self, connection: Any, commands: Commands) -> None:
        """Be told of commands that are about to be sent."""

    def is_at_end(self) -> bool:
        """Tell whether there is nothing to be read any more: the other side is gone."""
        return False

    def delay(self) -> float:
        """Return the seconds by which a reply comes later."""
        return 0.0


class TapOfAlias(Tap):
    """One for the pools of an alias."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def is_for(self, pool: PoolBase) -> bool:
        """Tell whether that is its alias."""
        return pool.alias == self._alias


active: list[Tap] = []


def taps_on(connection: Any) -> list[Tap]:
    """Return the taps that are for the pool of a connection."""
    pool = connection.home() if connection.home is not None else None
    return [] if pool is None else [tap for tap in tuple(active) if tap.is_for(pool)]
