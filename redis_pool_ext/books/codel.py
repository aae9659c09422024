"""When too many come: who is sent away early, so that the others are served in time.

With a fixed timeout alone, lasting overload makes everybody wait for the whole of it: the
queue is as long as the timeout allows, and most who are served then have waited in vain.
The remedy is Nichols' and Jacobson's (CoDel, ACM Queue 10/5, 2012), as it is used for
requests in folly and in sbroker: a queue that comes and goes is a good one, it takes up a
burst; one that *stands* for a while only adds to everybody's wait.
"""

from __future__ import annotations

import math

__all__ = ["PATIENCE", "Codel"]

# Who has waited for so many targets is sent away, while there is overload (as in folly).
PATIENCE = 2.0


class Codel:
    """Tells overload from a burst, and how many may wait in the meantime.

    Overload begins when nobody was served within `target` seconds for a whole `interval` in
    which the queue was never empty, and ends with the first interval in which nobody had to
    be sent away. While it lasts, as many may wait as the pool serves in a `target`.

    Moments are monotonic, in seconds. No lock of its own: every method is called under the
    pool's lock.
    """

    __slots__ = ("_began", "_served", "_shed", "_shortest", "interval", "is_overloaded", "room",
                 "target")  # fmt: skip

    def __init__(self, target: float, interval: float) -> None:
        self.target: float = target
        self.interval: float = interval
        self.is_overloaded: bool = False
        self.room: int = 0  # how many may wait, while there is overload
        self._shortest = math.inf
        self._begin(-math.inf)

    def joined(self, now: float, *, is_alone: bool) -> None:
        """Note that somebody queues up, `is_alone` where nobody waits."""
        if is_alone and not self.is_overloaded:
            self._begin(now)  # what was before says nothing: the queue did not stand

    def served(self, waited: float) -> None:
        """Note that somebody is served after so many seconds."""
        self._served += 1
        self._shortest = min(self._shortest, waited)

    def sent_away(self) -> None:
        """Note that somebody is not served, for the sake of the others."""
        self._shed += 1

    def is_too_late(self, since: float, now: float) -> bool:
        """Tell whether who waits `since` then is to be sent away."""
        return self.is_overloaded and now - since > PATIENCE * self.target

    def look(self, now: float, since: float) -> None:
        """Judge the interval, if it is over; `since` then somebody waits.

        Not to be asked for an empty queue, unless there is overload.
        """
        passed = now - self._began
        if passed < self.interval:
            return
        if passed >= 2 * self.interval and now - since < self.interval:
            self.is_overloaded = False  # nobody came for long, so nobody has looked
        elif self.is_overloaded:
            self.is_overloaded = self._shed > 0
        else:
            self.is_overloaded = self._shortest > self.target
        if self.is_overloaded:
            self.room = max(1, round(self._served * self.target / passed))
        self._begin(now)

    def forget(self, now: float) -> None:
        """Begin anew: who waits now does so for another reason."""
        self.is_overloaded = False
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._began = now
        self._served = self._shed = 0
        self._shortest = math.inf
