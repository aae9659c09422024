# mypy: disable-error-code="no-untyped-call"
"""The dial: redis-py's way to connect, every step of it cut to one deadline."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..books.faults import TLSStalled
from ..deadline import Deadline
from ..wire.replies import ReplySocket
from ..wire.spending import RetryWithin
from .handshake import HandshakeSocket, rebind
from .resolver import resolve
from .tls import TLSSettings
from .while_dialling import WhileDialling

__all__ = ["DialledConnection", "forget_frames"]

_DIAL_A_NAME = (redis.Connection._connect, redis.SSLConnection._connect)

# Under which names a connection for threads has its TLS settings.
_TLS_NAMES = {
    "password": "certificate_password",
    "min_version": "ssl_min_version",
    "ciphers": "ssl_ciphers",
    "include": "ssl_include_verify_flags",
    "exclude": "ssl_exclude_verify_flags",
}


if TYPE_CHECKING:
    _Mixin = redis.Connection
else:
    _Mixin = object


class DialledConnection(WhileDialling, _Mixin):
    """A mixin for redis-py's connection classes: `open()` connects before a deadline."""

    _once = Retry(NoBackoff(), 0)
    _retry_within = RetryWithin
    _sock: Any
    said: tuple[Any, ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._replies: ReplySocket | None = None  # what the parser reads from
        self._deadline: Deadline | None = None
        self._handshake: HandshakeSocket | None = None
        self._cut_to: Deadline | None = None
        self._address: str | None = None
        self._context: Any = None  # for TLS, where that is all that is to be done
        super().__init__(*args, **kwargs)
        if hasattr(self, "register_connect_callback"):
            # Registered first, so it runs between the handshake and anybody else's
            # callback (PubSub subscribes in its own).
            self.register_connect_callback(self._handshake_over)

    def open(self, deadline: Deadline) -> None:
        """Connect and shake hands, both before `deadline`.

        Raises redis-py's errors of a failed connection.
        """
        self._prepare_tls()
        self._deadline, self._handshake = deadline, None
        self.said = ()
        self._replies = None  # the parser begins with the socket of the handshake
        try:
            super().connect()
            self._handshake_over(self)
        except BaseException as error:
            self.disconnect()
            forget_frames(error)
            raise
        finally:
            self._deadline = None

    def _prepare_tls(self) -> None:
        """Have the context of the pool ready; raises `ConfigError`."""
        wrap = getattr(super(), "_wrap_socket_with_ssl", None)
        if wrap is not None and _is_tls_alone(self, wrap):
            self._context = self._context_for(TLSSettings.of(self, _TLS_NAMES))

    def _connect(self) -> Any:
        """Open the socket; while the deadline runs, hand out one that obeys it."""
        deadline = self._deadline
        if deadline is None:
            return super()._connect()
        if deadline.remaining() == 0.0:
            raise TimeoutError("the deadline passed before the dial began")
        try:
            sock = self._connect_to_any(deadline)
        finally:
            self._cut_to = self._address = None
        if not isinstance(sock, socket.socket):
            return sock
        self._handshake = HandshakeSocket(sock, deadline)
        return self._handshake

    def _connect_to_any(self, deadline: Deadline) -> Any:
        """Try the addresses of the host's name in turn, each with its share of the time."""
        addresses = self._addresses(deadline)
        while True:
            self._address = addresses.pop(0)
            self._cut_to = Deadline(deadline.remaining() / (1 + len(addresses)))
            try:
                return super()._connect()
            except OSError:
                if not addresses:
                    raise

    def _addresses(self, deadline: Deadline) -> list[str | None]:
        """Resolve the host's name before the deadline; [None] where no name is dialled."""
        if getattr(super()._connect, "__func__", None) not in _DIAL_A_NAME:
            return [None]  # a Unix socket, a fake, somebody's own way to connect
        found = resolve(self.host, int(self.port), self.socket_type, deadline)
        if not found:
            raise OSError(f"the name {self.host!r} has no address")
        return list(found)

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        """Begin TLS, before the deadline; the certificate is for the name, not for the address."""
        self._address = None
        if self._context is None or self._cut_to is None:
            return super()._wrap_socket_with_ssl(sock)  # type: ignore[misc]
        sock.settimeout(self.socket_timeout)  # what is left by now
        try:
            return self._context.wrap_socket(sock, server_hostname=self.host)
        except TimeoutError:
            raise TLSStalled from None

    def _handshake_over(self, _connection: Any) -> None:
        """Put the plain socket in place and forget what the handshake itself sent."""
        if self._deadline is None:
            return
        if isinstance(self._sock, HandshakeSocket):
            self.use_socket(self._sock.plain)
            self._sock.settimeout(self.socket_timeout)
        self._begin_anew()
        self._deadline = None  # last: an exception before this line ends the dial

    # -- what a deadline changes while dialling ----------------------------------------

    @property
    def socket_timeout(self) -> float | None:
        """Seconds to wait for a reply."""
        return self._cut(self._socket_timeout)

    @socket_timeout.setter
    def socket_timeout(self, value: float | None) -> None:
        self._socket_timeout = value

    # -- the socket ----------------------------------------------------------------------

    def use_socket(self, sock: Any) -> None:
        """Let the connection and its parser talk over `sock` from now on."""
        replies = ReplySocket(sock) if isinstance(sock, socket.socket) else None
        rebind(self._parser, self._replies or self._sock, replies or sock)
        self._sock, self._replies = sock, replies


def _is_tls_alone(connection: Any, wrap: Any) -> bool:
    """Tell whether there is nothing but TLS to begin.

    OCSP makes connections of its own, to the authority; and a class may have its own way.
    """
    own = redis.SSLConnection._wrap_socket_with_ssl
    wants_ocsp = connection.ssl_validate_ocsp or connection.ssl_validate_ocsp_stapled
    return getattr(wrap, "__func__", None) is own and not wants_ocsp


def forget_frames(error: BaseException | None, *also: type[BaseException]) -> None:
    """Let a dial's error refer to no frames: redis-py's refer to the error in turn.

    Such a cycle keeps the frames of all callers, and with them a connection that one of
    them has dropped, until the garbage collector comes by. What is no error of a dial is
    somebody's mistake, and keeps its traceback, but for errors of the kinds in `also`.
    """
    while error is not None and isinstance(error, (redis.RedisError, OSError, *also)):
        error.__traceback__ = None
        error = error.__context__
