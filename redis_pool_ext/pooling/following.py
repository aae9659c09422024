"""Where the connections go of a pool whose server is found out at each dial, by a Sentinel say."""

from __future__ import annotations

import logging

from ..wire.account import Account
from .queueing import Queueing

__all__ = ["Following"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")


class Following(Queueing):
    """The part of the pool that has all connections follow one that was sent elsewhere."""

    def _follow(self, connection: Account) -> None:
        """Take the others of the pool to where a dial was sent."""
        # One that was overtaken by later news brings none.
        ledger = self._ledger
        if connection.server is None or connection.generation != ledger.generation:
            return
        if self._settle_at(connection.server, instead_of=ledger.server):
            connection.generation += 1  # it is of the new one; but not if that was drained since

    def _settle_at(self, server: tuple[str, int], *, instead_of: tuple[str, int] | None) -> bool:
        """Have all connections go to this server; tell whether that is news.

        Does nothing when somebody else has brought later news than those that this is about.
        """
        ledger = self._ledger
        with self._lock:
            before, slots = ledger.server, ledger.slots()
            if before != instead_of:
                return False
            ledger.server = server
        is_news = before not in (None, server)
        if is_news:
            logger.warning("%s: the master is %s:%s now", self.alias, *server)
            self._begin_generation("drained")
        for slot in slots:
            connection = slot.connection() if slot.connection is not None else None
            if connection is not None and connection.server not in (None, server):
                connection.leave()
        return is_news
