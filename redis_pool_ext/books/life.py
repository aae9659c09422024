"""How long a connection lives, may idle, and is trusted without being asked."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

__all__ = ["LOOK_AFTER", "Life"]

# Seconds. An idle connection is looked at (no round trip) unless it was in use this
# recently, too short for a server or network to have dropped it since: a pool under load
# spends no system call on it.
LOOK_AFTER = 0.00005

# Up to this share of a life is taken off at random: connections that were made together
# (a cold start, a restart of the server) shall not be renewed together.
JITTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The limits of one pool's connections, times in seconds; None: no limit."""

    max_idle: int | None  # a number, not a time
    idle_timeout: float | None
    max_lifetime: float | None
    validate_after: float | None

    @property
    def fresh_for(self) -> float:
        """Return for how long an idle connection needs not even a look."""
        if self.validate_after is None:
            return LOOK_AFTER
        return min(LOOK_AFTER, self.validate_after)

    def expiry(self, born: float) -> float:
        """Return the moment at which a connection that was made at `born` is too old."""
        if self.max_lifetime is None:
            return math.inf
        return born + self.max_lifetime * (1 - random.uniform(0, JITTER))

    def are_enough(self, idle: int) -> bool:
        """Tell whether so many idle connections are as many as there may be."""
        return self.max_idle is not None and idle >= self.max_idle

    def is_too_long(self, idle_for: float) -> bool:
        """Tell whether a connection that was idle for so long is not lent any more."""
        return self.idle_timeout is not None and idle_for >= self.idle_timeout

    def is_to_be_asked(self, idle_for: float) -> bool:
        """Tell whether one that was idle for so long has to answer a PING first."""
        return self.validate_after is not None and idle_for >= self.validate_after
