"""What the books say of an idle connection: whether it is lent, looked at, asked, or closed."""

from __future__ import annotations

from time import monotonic

from ..books.records import Slot
from ..wire.account import Account
from .outcomes import DIAL_AT_LEAST, Outcomes

__all__ = ["ANSWER_WITHIN", "Trusting"]

# Seconds. An idle connection that is asked with a PING answers within this time, and within
# half of what its caller has left, or is replaced: an address translation on the way may
# have forgotten it, and then nothing comes back at all.
ANSWER_WITHIN = 1.0


class Trusting(Outcomes):
    """The part of the pool that knows how far an idle connection is to be trusted."""

    def _retire(self, connection: Account) -> Slot:
        """Close an idle connection that proved dead; return the slot, to be freed."""
        slot = connection.slot
        assert slot is not None
        connection.retire()
        return slot

    def _is_fresh(self, connection: Account) -> bool:
        """Tell whether a connection was in use a moment ago, and nothing broke since."""
        slot = connection.slot
        assert slot is not None
        is_current = connection.generation == self._ledger.generation
        return is_current and slot.taken_at < slot.fresh_until

    def _is_lendable(self, connection: Account) -> bool:
        """Tell whether an idle connection is not too old to be looked at."""
        slot = connection.slot
        assert slot is not None
        return (
            connection.generation == self._ledger.generation
            and not self.life.is_too_long(slot.idle_for)
            and slot.taken_at < slot.expires_at
        )

    def _is_in_doubt(self, connection: Account) -> bool:
        """Tell whether a look is not enough: others broke since, or it idled for long."""
        slot = connection.slot
        assert slot is not None
        is_suspect = slot.idle_since < self._ledger.doubted_at
        return is_suspect or self.life.is_to_be_asked(slot.idle_for)

    def _abandon(self, connection: Account) -> None:
        """Close an idle connection whose taker was interrupted as it asked it."""
        slot = self._retire(connection)
        with self._lock:
            self._ledger.give_up(slot)
            self._ledger.counters.add_end("cancelled")
            self._ledger.serve(monotonic())
        self._settle()
        self._tell_closed("stale")

    def _speaks_for_others(self, last_used: float, patience: float) -> None:
        """Close those that idle longer than one which did not answer within `patience`.

        If it had the time to: the taker would get them one after the other, and spend its
        whole timeout asking.
        """
        if patience >= DIAL_AT_LEAST:
            self._discard_each(lambda: self._ledger.take_unused_since(last_used))
