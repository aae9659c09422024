# mypy: disable-error-code="no-untyped-call"
"""A connection of tasks that knows what it owes: the twin of the one for threads.

A task may be cancelled wherever it waits. Whoever is, in the middle of an exchange, leaves a
closed connection; and closing waits for nothing, so that it cannot be cancelled itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, NoReturn, Protocol

import redis

from ..books.records import Slot
from ..deadline import Deadline
from ..forks import getpid
from ..wire.account import READ_ONLY, Account
from ..wire.guards import put_in_front
from ..wire.packing import pack_ordinary
from ..wire.spending import LEAST, bounded
from .express import AsyncLane, exchange, is_redis_pys_own_async, lane_of_async, see_that_it_rings
from .in_time import NOT_YET, TimedConnection

__all__ = ["READ_ONLY", "GuardedAsyncConnection", "guarded_async"]

# How an exchange ends that its own task gives up: of the network that says nothing.
_GIVEN_UP = (asyncio.CancelledError, GeneratorExit)


class Home(Protocol):
    """What a connection asks of the pool that it belongs to."""

    async def reconnect(self, connection: GuardedAsyncConnection) -> None:
        """Dial again, within the pool's timeout, for the one who holds `connection`."""


class GuardedAsyncConnection(Account, TimedConnection):
    """The guard, a mixin: `guarded_async()` puts it in front of a connection class."""

    home: Callable[[], Home | None] | None = None
    lane: AsyncLane | None = None
    slot: Slot | None
    broken: bool
    reply_lost: bool
    # When the reply is late that the short way waits for (monotonic, seconds; 0.0: it waits
    # for none), and the timer that looks.
    reply_by: float = 0.0
    alarm: asyncio.TimerHandle | None = None
    _packs_many = False

    # -- connecting -----------------------------------------------------------------

    async def open(self, deadline: Deadline) -> None:
        """Connect and shake hands, both before `deadline`.

        Raises redis-py's errors of a failed connection.
        """
        await super().open(deadline)
        self.broken = self.read_only = self.is_left = False
        self.lane = lane_of_async(self) if self._may_take_short_way else None

    async def connect(self) -> None:
        """Reconnect for the holder: bounded by the pool's timeout, never into new state.

        Raises `LeaseError` when the connection was given back, `LeaseStateLostError`
        when the socket that is gone held state, `PoolUnavailableError` when the server
        cannot be reached.
        """
        if self.is_inherited:
            self.retire()  # our copy of the parent's socket
        if self._sock is not None:
            return
        home = self._home_to_reconnect()
        spending = self._spending
        if spending is None:
            await home.reconnect(self)
        else:
            with spending:
                spending.require()
                await home.reconnect(self)

    async def connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Connect, in a dial of the pool's; anywhere else, ask the pool for one.

        redis-py calls this where it finds the socket gone at the last moment: another task
        has ended the lease in the middle of its command.
        """
        if self._deadline is None:
            await self.connect()
        else:
            await super().connect_check_health(*args, **kwargs)

    # -- what was sent and what was answered --------------------------------------------

    def pack_command(self, *args: Any) -> Any:
        """Pack one command for a `send_packed_command` to come."""
        if not self._packs_many:
            return super().pack_command(*args)
        packed = pack_ordinary(args) if self.lane is not None else None
        return super(Account, self).pack_command(*args) if packed is None else [packed]

    def pack_commands(self, commands: Iterable[Any]) -> Any:
        """Pack several commands for one `send_packed_command`."""
        self._packs_many = True  # redis-py packs each on its own here: they are noted together
        try:
            return super().pack_commands(commands)
        finally:
            self._packs_many = False

    async def send_command(self, *args: Any, **kwargs: Any) -> None:
        """Send one command, noting that its reply is owed and what it leaves behind."""
        self._outgoing = self._packed = None  # redis-py packs it by `pack_command`, which notes it
        await super().send_command(*args, **kwargs)

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send packed bytes; first reconnect or refuse where the replies would not pair.

        Raises `redis.ConnectionError` when an earlier reply was never read.
        """
        spending = self._spending
        if spending is None or self._deadline is not None:
            await self._send(command, check_health)
        else:
            with spending:
                spending.require()
                await self._send(command, check_health)

    async def _send(self, command: Any, check_health: bool) -> None:
        # Taken first and noted last: a reconnect or a health check in between sends
        # commands of its own, and wipes what was noted before.
        outgoing = self._take_outgoing(command)
        self.reply_lost = False
        if self._sock is None or self.pid != getpid():
            await self.connect()
        if check_health:
            await self.check_health()
        # redis-py's handshake sends several commands before it reads.
        if self.pending and self._deadline is None and not self._is_subscriber():
            self.cut()
            raise self._never_read()
        self._note_all(outgoing)
        try:
            await self._send_in_time(command)
        except BaseException as error:
            self._note_failure(error)
            raise

    async def read_response(
        self, disable_decoding: bool = False, timeout: float | None = None, **kwargs: Any
    ) -> Any:
        """Read one reply, and note that one less is owed.

        None when it does not come within `timeout` seconds: then it still is. Without a
        `timeout` it is late after `socket_timeout`, which closes the connection.
        """
        spending = self._spending
        if spending is None or self._deadline is not None:
            return await self._read(disable_decoding, timeout, **kwargs)
        with spending:
            left = spending.budget.left()
            if left < LEAST and self._is_subscriber():  # whose messages may never end
                raise spending.exceeded()
            within = None if timeout is None else bounded(timeout, left)
            response = await self._read(disable_decoding, within, **kwargs)
            if response is None and within != timeout and self.is_spent:
                raise spending.exceeded()
            return response

    async def _read(self, disable_decoding: bool, timeout: float | None, **kwargs: Any) -> Any:
        try:
            if timeout is None:
                response = await super().read_response(disable_decoding=disable_decoding, **kwargs)
            else:
                response = await self._read_within(timeout, disable_decoding, **kwargs)
        except redis.ResponseError as error:
            self._refused(error)
            error.__traceback__ = None  # redis-py's frame refers to the error: that were a cycle
            raise
        except BaseException as error:
            self.reply_lost = True
            self._note_failure(error)
            raise
        if response is NOT_YET:
            return None
        self._answered(refused=False)
        return response

    def _note_failure(self, error: BaseException) -> None:
        if not isinstance(error, _GIVEN_UP):
            self.broken = True

    # -- a holder's budget --------------------------------------------------------------

    async def exchange_in_budget(self, lane: AsyncLane, packed: bytes) -> Any:
        """Do what `express.exchange` does, within the budget."""
        spending = self._spending
        if spending is None:  # another task has just taken it off the lease
            return await exchange(self, lane, packed)
        with spending:
            try:
                left = bounded(self._socket_timeout, spending.require())
                see_that_it_rings(self, left)
            except BaseException:
                self.pending = 0  # nothing was sent
                raise
            return await exchange(self, lane, packed, left)

    # -- for the short way (express.py) -------------------------------------------------

    def fail_to_send(self, error: Exception) -> NoReturn:
        """Close the connection after `error`, and raise what redis-py makes of such a one."""
        self.break_off()
        raise redis.ConnectionError(f"Error while writing to socket. {error}.") from error

    async def read_on(self, began: float) -> Any:
        """Read a reply that the short way met something unusual in, and waits for since `began`."""
        self._patience = began - monotonic()  # it has what is left of its time
        response = await self.read_response()
        if self._should_reconnect:  # it was a push message that asked for that
            self.lane = None
        return response

    def break_off(self) -> None:
        """Close the connection in the middle of a reply."""
        self.broken = True
        self.abandon()

    def abandon(self) -> None:
        """Close the connection in the middle of a reply that its reader wants no more."""
        self.reply_lost = True
        self.cut()

    # -- the end --------------------------------------------------------------------------

    async def disconnect(self, nowait: bool = False, *args: Any, **kwargs: Any) -> None:
        """Close the socket; what it held on the server is remembered as lost.

        Waits for nothing, whatever `nowait` says.
        """
        self._note_loss()
        self._close_socket()
        try:
            if asyncio._get_running_loop() is not None:
                await super().disconnect(True, *args, **kwargs)  # which keeps books of its own
        finally:
            self._close_account()

    def cut(self) -> None:
        """Do the same as `disconnect()` where nothing can be awaited."""
        self._note_loss()
        self._close_account()

    def _close_account(self) -> None:
        # The account is closed after the socket: whoever is interrupted in between must not
        # leave an open socket on which nothing seems to be owed.
        self._hang_up()
        self._owe_nothing()

    def forfeit(self) -> None:
        """Take the connection from another task that is using it; that one sees EOF."""
        self.slot = None
        self.cut()

    def __del__(self, *_args: Any) -> None:
        # redis-py's would complain of a connection that was not closed: who has dropped it
        # need not close it. Its slot dies with it.
        if getattr(self, "_writer", None) is not None:
            self._close_socket()


def guarded_async(connection_class: type[Any]) -> type[GuardedAsyncConnection]:
    """Return `connection_class` with the guard in front, the same class each time.

    Raises `TypeError` for something that is not a class.
    """
    is_own = isinstance(connection_class, type) and is_redis_pys_own_async(connection_class)
    return put_in_front(GuardedAsyncConnection, connection_class, _may_take_short_way=is_own)
