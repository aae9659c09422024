"""What a view's reads get where Redis gives no answer: its default, and somebody hears of it.

Only reads, and only where there was no answer: a write that was not done must not look as if
it had been, a mistake in the program stays one, and what the server refuses is an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from copy import deepcopy
from time import monotonic
from typing import Any

import redis
import redis.exceptions

from ..books.report import Reported
from ..errors import ANSWERED_WITH_503, LeaseError
from ..forks import ProcessLock
from ..wire.reading import PAGES, is_read, whole_name

__all__ = ["OUTAGES", "Attempt", "Degradation", "Degrading", "Fallback"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

# No connection, no server, no reply in time; of a socket that fails in the middle, too.
OUTAGES = (*ANSWERED_WITH_503, redis.ConnectionError, redis.TimeoutError)

# Of the same classes in part, and no outages: waiting does not help.
_MISTAKES = (
    LeaseError,
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
)

# Seconds between two lines of one view, that nobody goes on without Redis for days, unseen.
_SAID_EVERY = 10.0

Command = tuple[Any, ...]


class Fallback:
    """The default of one view, for all its requests."""

    def __init__(self, default: Any) -> None:
        self._default = default
        self._reported = Reported(_SAID_EVERY)
        self._lock = ProcessLock()  # protects the one above it

    def value_for(self, args: Command, options: dict[str, Any]) -> Any:
        """Return what a command gets: the default, or an empty last page."""
        name = whole_name(args)
        if name in PAGES:
            return 0, ({} if name == "HSCAN" and not options.get("no_values") else [])
        if isinstance(self._default, list | dict | set):
            return deepcopy(self._default)  # what one request adds is not for the next one
        return self._default

    def say(self, lease: Any, command: Command, error: Exception) -> None:
        """Log, once in a while, that a read was not answered."""
        with self._lock.mine():
            before = self._reported.is_due(monotonic())
        if before is not None:
            logger.warning(
                "%s: %s goes on without Redis, %s had no answer: %s; %d more since the last report",
                lease.pool.alias,
                lease.holder,
                whole_name(command),
                error,
                before,
            )


class Degradation:
    """How one request fares with its `Fallback`."""

    __slots__ = ("fallback", "gave_up", "happened")

    def __init__(self, fallback: Fallback) -> None:
        self.fallback: Fallback = fallback
        self.happened: bool = False
        # A reply did not come in time. Each further one that is waited for costs as much, and
        # a view has many of them; a refused connection is waited for once anyway.
        self.gave_up: bool = False

    def skips(self, commands: Sequence[Command]) -> bool:
        """Tell whether these need not be tried any more."""
        return self.gave_up and all(map(is_read, commands))

    def replaces(self, error: Exception, lease: Any, commands: Sequence[Command]) -> bool:
        """Tell whether the commands get the default instead of this error, and note it."""
        if isinstance(error, _MISTAKES) or not all(map(is_read, commands)):
            return False
        self.happened = True
        self.gave_up = self.gave_up or isinstance(error, redis.TimeoutError)
        self.fallback.say(lease, commands[0], error)
        return True


class Attempt:
    """A try at commands: a `with` that ends at an outage for which the default stands in.

    The same for threads and tasks. A pipeline that `is_watching` keys is always tried, and its
    outage is told: what it has read before counts.
    """

    __slots__ = ("_commands", "_degradation", "_is_watching", "_lease")

    def __init__(
        self,
        degradation: Degradation,
        lease: Any,
        commands: Sequence[Command],
        *,
        is_watching: bool = False,
    ) -> None:
        self._degradation = degradation
        self._lease = lease
        self._commands = commands
        self._is_watching = is_watching

    @property
    def is_due(self) -> bool:
        """Tell whether they are to be tried at all."""
        return self._is_watching or not self._degradation.skips(self._commands)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        return (
            isinstance(error, OUTAGES)
            and not self._is_watching
            and self._degradation.replaces(error, self._lease, self._commands)
        )


class Degrading:
    """A client or pipeline whose reads get a default where Redis gives no answer."""

    connection_pool: Any
    degradation: Degradation

    @property
    def is_degraded(self) -> bool:
        """Tell whether a read of this request has got the default so far."""
        return self.degradation.happened

    def lock(self, *args: Any, **kwargs: Any) -> Any:
        """Return a lock, which does not take a default for an answer."""
        return self.connection_pool.client().lock(*args, **kwargs)

    def _or_default(
        self, execute: Callable[..., Any], args: Command, options: dict[str, Any]
    ) -> Any:
        """Execute one command, or return what it gets where Redis gives no answer."""
        # What an `Attempt` does, without one: each command of a view comes by here.
        if not self.degradation.gave_up or not self.degradation.skips([args]):
            try:
                return execute(*args, **options)
            except OUTAGES as error:
                if not self.degradation.replaces(error, self.connection_pool, [args]):
                    raise
        return self._instead(args, options)

    def _trying(self, commands: Sequence[Command], *, is_watching: bool = False) -> Attempt:
        return Attempt(self.degradation, self.connection_pool, commands, is_watching=is_watching)

    def _instead(self, args: Command, options: dict[str, Any]) -> Any:
        return self.degradation.fallback.value_for(args, options)
