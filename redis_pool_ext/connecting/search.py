"""One dial's way from Sentinel to Sentinel to a server: whom to ask next, and how long to wait.

Plain code, one record per dial; `sentinel.py` and its twin in `aio/` do the waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from redis.exceptions import AuthorizationError, NoPermissionError
from redis.sentinel import MasterNotFoundError

from ..books.verdict import REFUSED, UNREACHABLE, without_secrets
from ..deadline import Deadline
from .sentinels import Address, Service, shown_address

__all__ = ["MAKESHIFT_FOR", "Search", "Vote"]

# Seconds that a reader stays with the master, for want of a replica, before it looks again.
MAKESHIFT_FOR = 10.0

# Share of a dial's time with less of which left no other server is dialled.
TOO_LITTLE = 0.06

_DENIED = (redis.AuthenticationError, AuthorizationError, NoPermissionError)
_CREDENTIALS = "a Sentinel's own user and password go into OPTIONS['sentinel_kwargs']"
_NO_SENTINEL = "check that this is a Sentinel's port, 26379 as a rule, and not a server's"


class Search:
    """One dial's search for a server, before one deadline."""

    def __init__(self, service: Service, deadline: Deadline) -> None:
        self.service = service
        self._deadline = deadline
        self._too_little = TOO_LITTLE * deadline.remaining()
        self._to_ask = service.panel.in_order()
        self._tried: set[Address] = set()
        self._failed: Exception | None = None  # the last dial of a server
        self._ignorant: list[str] = []  # Sentinels that do not know the name
        # Texts, and no errors: these refer to frames, which refer to this.
        self._refusals: list[tuple[type[Exception], str]] = []
        self._silent: list[str] = []
        self._is_late = False
        self._was_answered = False  # by a Sentinel that knows the name
        self._master: Address | None = None

    def next_sentinel(self) -> tuple[Address, Deadline] | None:
        """Return whom to ask next, and until when; None when there is nobody, or no time, left.

        The dial of the server has a share of the time, too.
        """
        left = self._deadline.remaining()
        if self._was_answered:
            is_silent = self.service.panel.is_silent
            self._to_ask = [each for each in self._to_ask if not is_silent(each)]
        if not self._to_ask or left == 0.0:
            return None
        return self._to_ask.pop(0), Deadline(left / (len(self._to_ask) + 2))

    def no_answer(self, sentinel: Address, error: Exception) -> None:
        """Note a Sentinel that does not answer, or does not want to."""
        self.service.panel.was_silent(sentinel)
        given = self.service.credentials
        clean = without_secrets(error, [given.get("password"), given.get("username")])
        reason = str(clean).rstrip(".") or type(clean).__name__
        self._silent.append(f"{shown_address(sentinel)} ({reason})")
        self._is_late = self._is_late or isinstance(error, redis.TimeoutError | TimeoutError)
        if isinstance(error, REFUSED):
            self._refusals.append(
                (type(error), f"Sentinel {shown_address(sentinel)} refuses: {reason}")
            )
        del error, clean  # they refer to this frame

    def servers(
        self, sentinel: Address, answers: Sequence[Any]
    ) -> Iterator[tuple[Address, Deadline]]:
        """Yield which server to dial next, and until when; none that was tried before."""
        named = self.service.servers_in(answers)
        self._master = named[-1] if named else None
        self._was_answered = self._was_answered or bool(named)
        if not named:
            self._ignorant.append(shown_address(sentinel))
        fresh = [server for server in named if server not in self._tried]
        self._tried.update(fresh)
        for number, server in enumerate(fresh):
            yield server, Deadline(self._deadline.remaining() / (len(fresh) - number))
        # Nobody is there, or this one has not heard yet who is the master now.
        self.service.panel.was_wrong(sentinel)

    def found(self, sentinel: Address, server: Address) -> tuple[Address | None, float | None]:
        """Note a search that ended well; return the connection's `server` and `keep_for`."""
        self.service.panel.was_right(sentinel)
        if not self.service.is_for_reading:
            return server, None
        return None, MAKESHIFT_FOR if server == self._master else None

    def goes_on_after(self, error: Exception, server: Address) -> bool:
        """Tell whether another server may do, after the dial of one has failed."""
        if not isinstance(error, UNREACHABLE) or isinstance(error, REFUSED):
            return False
        if type(error) in (redis.ConnectionError, redis.TimeoutError):
            text = str(error).rstrip(".")
            error.args = (
                f"{text} ({shown_address(server)}, of {self.service.name!r} by its Sentinels)",
            )
        self._failed = error
        return self._deadline.remaining() > self._too_little

    def failure(self) -> Exception:
        """Return the error for a search that has found nothing."""
        name = self.service.name
        if self._failed is not None:
            return self._failed
        silent = ", ".join(self._silent)
        if self._ignorant:
            unasked = f" (no answer from {silent})" if silent else ""
            return MasterNotFoundError(
                f"Sentinel {', '.join(self._ignorant)} knows no service {name!r}{unasked}; check "
                "the name in the URL"
            )
        if self._refusals:
            kind, text = self._refusals[0]
            return kind(f"{text}; {_CREDENTIALS if issubclass(kind, _DENIED) else _NO_SENTINEL}")
        kind = redis.TimeoutError if self._is_late else redis.ConnectionError
        return kind(f"no Sentinel of {name!r} answers: {silent or 'there was no time to ask one'}")


class Vote(Search):
    """A look whether the master is still where it was `known` to be.

    One Sentinel that has not heard yet, or cannot see the others, moves nobody; a dial, which
    meets the server itself, trusts each of them.
    """

    def __init__(self, service: Service, known: Address, deadline: Deadline) -> None:
        super().__init__(service, deadline)
        self._known = known
        self._votes: Counter[Address] = Counter()
        self.is_open: bool = True

    def count(self, sentinel: Address, answers: Sequence[Any]) -> None:
        """Count one answer; the first one settles it where it says that nothing has changed."""
        named = self.service.servers_in(answers)
        if not named:
            self._ignorant.append(shown_address(sentinel))
            return
        self._votes[named[0]] += 1
        self._was_answered = True
        self.is_open = self._votes.keys() != {self._known}

    def result(self) -> Address:
        """Return the address that most have named; raises when nobody has named any."""
        if not self._votes:
            raise self.failure()
        [(address, number)] = self._votes.most_common(1)
        return address if 2 * number > self._votes.total() else self._known
