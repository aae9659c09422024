"""What to do about a server that cannot be dialled."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import redis
from redis.exceptions import NoPermissionError
from redis.sentinel import MasterNotFoundError

from ..errors import PoolExhaustedError, PoolTLSError

__all__ = ["way_out"]

_WAYS: tuple[tuple[type[BaseException], str], ...] = (
    (PoolTLSError, "see to ssl_ca_certs and the certificate's name (docs/security.md)"),
    (
        redis.AuthenticationError,
        "see to the user name and password in URL or OPTIONS, and to ACL LIST on the server",
    ),
    (NoPermissionError, "the user lacks a right that connections need; ACL LOG names it"),
    (MasterNotFoundError, "see to the service's name in URL, and ask a Sentinel: SENTINEL MASTERS"),
    (redis.BusyLoadingError, "it loads its data: wait, and see INFO persistence"),
    (socket.gaierror, "the name is not known: see to the host in URL, and to DNS"),
    (ConnectionRefusedError, "nothing listens there: start the server, or correct host and port"),
    (FileNotFoundError, "there is no such socket: start the server, or correct the path in URL"),
    (
        PermissionError,
        "this user may not use the socket: see to unixsocketperm on the server, or to the group",
    ),
    (
        PoolExhaustedError,
        "the server takes no more clients: raise its maxclients, or have fewer (see doctor)",
    ),
    (
        TimeoutError,
        "nothing comes back: see to the address, to a firewall on the way, and to whether the "
        "server hangs",
    ),
    (
        redis.TimeoutError,
        "nothing comes back: see to the address, to a firewall on the way, and to whether the "
        "server hangs",
    ),
    (redis.ResponseError, "the server refuses what is asked for: see to the settings in URL"),
)


def way_out(error: BaseException) -> str:
    """Say what to do, by the first known kind among an error and its causes."""
    known = list(_causes(error))
    for kind, words in _WAYS:
        if any(isinstance(each, kind) for each in known):
            return words
    return "see to the server, to host and port in URL, and to the network between"


def _causes(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    for _ in range(10):
        if at is None:
            return
        yield at
        at = at.__cause__ or at.__context__
