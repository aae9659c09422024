# mypy: disable-error-code="no-untyped-call"
"""The dial: redis-py's way to connect, all of it cut to one deadline."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
from redis.asyncio.connection import RedisSSLContext
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ..books.faults import TLSLateError
from ..connecting.dial import forget_frames
from ..connecting.resolver import is_numeric
from ..connecting.tls import TLSSettings
from ..connecting.while_dialling import WhileDialling
from ..deadline import Deadline
from .closing import close_at_once
from .handshake import HandshakeStream
from .spending import AsyncRetryWithin

MaintenanceState: Any
try:
    from redis.maint_notifications import MaintenanceState
except ImportError:  # redis-py before 7
    MaintenanceState = None

_MAINTENANCE: Any = object() if MaintenanceState is None else MaintenanceState.MAINTENANCE

__all__ = ["DialledAsyncConnection"]

_DIAL_A_NAME = (redis.asyncio.Connection._connect, redis.asyncio.SSLConnection._connect)

# Under which names redis-py's `ssl_context` has the settings that TLS has.
_TLS_NAMES = {"include": "include_verify_flags", "exclude": "exclude_verify_flags"}


if TYPE_CHECKING:
    _Mixin = redis.asyncio.Connection
else:
    _Mixin = object


# Writers of open sockets. Without a reference from outside, a writer that is collected together
# with its connection may be finalized before it, and complains of not having been closed.
_open: set[Any] = set()


class DialledAsyncConnection(WhileDialling, _Mixin):
    """A mixin for redis-py's asyncio connections: `open()` connects before a deadline."""

    # Whether there is a connection, and what the shared books look at: the writer; or what
    # a fake has in its place.
    _sock: Any = None

    _once = Retry(NoBackoff(), 0)
    _retry_within = AsyncRetryWithin
    said: tuple[Any, ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.pid: int = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None  # in which the socket was opened
        self._deadline: Deadline | None = None
        self._handshake: HandshakeStream | None = None
        self._is_connecting = False
        self._cut_to: Deadline | None = None
        self._address: str | None = None
        super().__init__(*args, **kwargs)
        # Registered first, so it runs between the handshake and anybody else's callback
        # (PubSub subscribes in its own).
        self.register_connect_callback(self._handshake_over)

    async def open(self, deadline: Deadline) -> None:
        """Connect and shake hands, both before `deadline`.

        Raises redis-py's errors of a failed connection; who is cancelled leaves no socket.
        """
        self._loop = asyncio.get_running_loop()
        self._prepare_tls()
        self._deadline, self._handshake = deadline, None
        self.said = ()
        try:
            in_time = await self._open_in_time(deadline)
        finally:
            self._deadline = None
        if not in_time:  # raised here, where it has no context: that would keep the frames
            if self.is_tls and self._handshake is None:
                raise TLSLateError
            raise redis.TimeoutError("Timeout connecting to server: its deadline has passed")

    def _prepare_tls(self) -> None:
        """Have the context of the pool ready; raises `ConfigError`."""
        settings = getattr(self, "ssl_context", None)
        if type(settings) is RedisSSLContext:  # which would make one at each dial
            settings.context = self._context_for(TLSSettings.of(settings, _TLS_NAMES))

    async def _open_in_time(self, deadline: Deadline) -> bool:
        try:
            async with asyncio.timeout(deadline.remaining()):
                await super().connect()
            if self._sock is None:  # somebody's own way to connect
                self._sock = self._writer
            _open.add(self._writer)
            self._handshake_over(self)
        except TimeoutError:
            self._hang_up()
            return False
        except BaseException as error:
            self._hang_up()
            forget_frames(error, asyncio.CancelledError)  # by which asyncio keeps its timeouts
            raise
        return True

    async def _connect(self) -> None:
        """Open the socket, before the deadline if there is one."""
        deadline = self._deadline
        if deadline is None:
            await super()._connect()
            return
        if deadline.remaining() == 0.0:
            raise TimeoutError("the deadline passed before the dial began")
        self._is_connecting = True
        try:
            await self._connect_to_any(deadline)
        finally:
            self._is_connecting = False
            self._cut_to = self._address = None
        if self._sock is None:
            self._sock = self._writer
        stream, writer = self._reader, self._writer
        if isinstance(stream, asyncio.StreamReader) and isinstance(writer, asyncio.StreamWriter):
            self._handshake = HandshakeStream(stream, writer)
            self._reader = self._handshake  # type: ignore[assignment]

    async def _connect_to_any(self, deadline: Deadline) -> None:
        """Try the addresses of the host's name in turn, each with its share of the time."""
        addresses = await self._addresses()
        while True:
            self._address = addresses.pop(0)
            self._cut_to = Deadline(deadline.remaining() / (1 + len(addresses)))
            try:
                await super()._connect()
                return
            except OSError:
                if not addresses:
                    raise

    async def _addresses(self) -> list[str | None]:
        """Resolve the host's name; [None] where no name is dialled."""
        if getattr(super()._connect, "__func__", None) not in _DIAL_A_NAME:
            return [None]  # a Unix socket, a fake, somebody's own way to connect
        family = getattr(self, "socket_type", 0)
        if is_numeric(self.host, family):
            return [None]
        found = await asyncio.get_running_loop().getaddrinfo(
            self.host, int(self.port), family=family, type=socket.SOCK_STREAM
        )
        if not found:
            raise OSError(f"the name {self.host!r} has no address")
        # Each once, in the order that the system prefers.
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def _connection_arguments(self) -> Any:
        """Return what to connect to; a certificate is for the name, not for the address."""
        arguments = super()._connection_arguments()
        if self._address is None or "ssl" not in arguments:
            return arguments
        return {**arguments, "server_hostname": self._host}

    async def on_connect(self) -> None:
        """Shake hands; later, where redis-py would do it twice (over Unix sockets).

        In the middle of connecting it would also take a refused password for a broken line.
        """
        if not self._is_connecting:
            await super().on_connect()

    def _handshake_over(self, _connection: Any) -> None:
        """Put the plain reader in place and forget what the handshake itself sent."""
        if self._deadline is None:
            return
        listening, self._handshake = self._handshake, None
        if listening is not None:
            listening.flush()
            parser, plain = self._parser, listening.plain
            self._reader = plain
            if getattr(parser, "_stream", None) is listening:
                parser._stream = plain  # type: ignore[attr-defined]
        self._begin_anew()
        self._deadline = None  # last: an exception before this line ends the dial

    def _hang_up(self) -> None:
        """Close the socket at once, and wait for nothing; twice is fine."""
        self._close_socket()
        self._parser.on_disconnect()
        self._sock = self._reader = self._writer = None
        self._forget_session()

    def _close_socket(self) -> None:
        writer = self._writer
        if writer is not None:
            _open.discard(writer)
            _forget_traceback(self._reader)
            # Not `forks.getpid()`: this runs in a child that is about to learn that it is one.
            close_at_once(writer, self._loop, is_inherited=self.pid != os.getpid())

    def _forget_session(self) -> None:
        """Forget what redis-py knows of the server's end, as its `disconnect()` does."""
        self._should_reconnect = False
        if hasattr(self, "_reset_himport_state"):  # since redis-py 8.1
            self._reset_himport_state()
        if getattr(self, "maintenance_state", None) is _MAINTENANCE:
            self.reset_tmp_settings(reset_relaxed_timeout=True)
            self.maintenance_state = MaintenanceState.NONE
            self.reset_received_notifications()

    def is_of(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        """Tell whether its socket was opened in `loop`."""
        return self._loop is loop


def _forget_traceback(stream: Any) -> None:
    """Let a stream's error, which it keeps, refer to no frames: they refer to the stream."""
    if isinstance(stream, asyncio.StreamReader):
        error = stream.exception()
        if error is not None:
            error.__traceback__ = None
