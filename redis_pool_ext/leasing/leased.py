"""What the clients of threads and of tasks have in common: they run on a lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from redis.client import EMPTY_RESPONSE, NEVER_DECODE, CaseInsensitiveDict

from ..errors import LeaseError
from ..wire.account import Account
from ..wire.sticky import Effect, effect

__all__ = ["NOT_FOR_CALLBACKS", "ClientFactory", "Leased", "OneTransaction", "SideDoor"]

# Options that say how to send or to read; the others are for response callbacks.
NOT_FOR_CALLBACKS = frozenset({NEVER_DECODE, EMPTY_RESPONSE, "check_health"})

T = TypeVar("T")

_new = object.__new__


class Leased:
    """A client, or a pipeline of one."""

    response_callbacks: Any
    connection_pool: Any

    @property
    def is_degraded(self) -> bool:
        """False: whatever it returns is Redis' answer. One that degrades may say otherwise."""
        return False

    def set_response_callback(self, command: str, callback: Callable[..., Any]) -> None:
        """Set a callback for this object alone: the others' are shared."""
        self.response_callbacks = CaseInsensitiveDict(self.response_callbacks)
        self.response_callbacks[command] = callback


class OneTransaction(Leased):
    """A pipeline: its lease has one connection, so there is room for one transaction at a time."""

    watching: bool
    _has_watched = False

    def _note_watch(self, args: tuple[Any, ...]) -> None:
        """Note that a command to be executed at once is a WATCH; refuse one too many."""
        if effect(args) is Effect.WATCH:
            self._require_no_other_transaction()
            self._has_watched = True

    def _look_before_exec(self, connection: Any) -> None:
        """Close a dead connection before EXEC is sent on it: then nothing has run."""
        if (
            self.watching
            and isinstance(connection, Account)
            and (connection.is_left or not self.connection_pool.looks_alive(connection))
        ):
            connection.cut()

    def _forget_watch(self, connection: Any) -> None:
        """End what a WATCH of this pipeline has left on the connection's record."""
        if isinstance(connection, Account) and self._has_watched:
            if self.watching and connection.is_spent:
                connection.cut()  # UNWATCH would be refused
            if not connection.is_connected:
                self.watching = False  # there is nothing left to UNWATCH
            # Only its own WATCH: another pipeline's that was lost is not this one's to forgive.
            connection.transaction_over()
            self._has_watched = False

    def _require_no_other_transaction(self) -> None:
        if not self.watching and self.connection_pool.is_watching:
            raise LeaseError(
                "keys are being watched on this lease, by another pipeline or a raw WATCH, and a "
                "second transaction on its connection would end that WATCH unseen; finish "
                "that one first, or use pipeline(transaction=False) here"
            )


class SideDoor:
    """The lease as a pool for what needs a connection of its own (pubsub, monitor)."""

    def __init__(self, lease: Any) -> None:
        self._lease = lease

    def get_encoder(self) -> Any:
        """Return the encoder of the lease."""
        return self._lease.get_encoder()

    @property
    def connection_kwargs(self) -> Any:
        """The arguments of the lease's connections."""
        return self._lease.connection_kwargs


class ClientFactory(Generic[T]):
    """Makes one pool's clients of a `kind`: each starts as a copy of one that redis-py has built.

    redis-py builds some thirty response callbacks and two locks for each client (47 us);
    ours are built once per pool and shared, and copied on the first write.
    """

    def __init__(self, built: Any, kind: type[T]) -> None:
        self._kind = kind
        self._attributes = vars(built).copy()
        del self._attributes["connection_pool"]

    def leased(self, lease: Any) -> T:
        """Return a client on `lease`, in about a microsecond."""
        client: Any = _new(self._kind)
        client.__dict__.update(self._attributes)
        client.connection_pool = lease
        return client  # type: ignore[no-any-return]
