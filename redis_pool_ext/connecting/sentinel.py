# mypy: disable-error-code="no-untyped-call"
"""A connection that asks Sentinels for its server, each time that it is dialled."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import redis

from ..deadline import Deadline
from ..forks import in_child
from .dial import DialledConnection
from .search import Search, Vote
from .sentinels import Address, BySentinel, Service, role_in

__all__ = ["SentinelConnection", "SentinelSSLConnection"]

if TYPE_CHECKING:
    _Mixin = redis.Connection
else:
    _Mixin = object


class _Asking(DialledConnection, redis.Connection):
    """A connection to a Sentinel, for one question."""


class _AskingByTls(DialledConnection, redis.SSLConnection):
    """The same, by TLS."""


_asking: weakref.WeakSet[Any] = weakref.WeakSet()


def _ask(service: Service, sentinel: Address, deadline: Deadline) -> list[Any]:
    """Put a service's questions to one Sentinel; raises redis-py's errors."""
    answers: list[Any] = []

    def converse(connection: Any) -> None:
        connection.on_connect()
        for question in service.questions():
            connection.send_command(*question, check_health=False)
        answers.extend([connection.read_response() for _ in service.questions()])

    arguments = service.arguments_for(sentinel)
    kind = _AskingByTls if arguments.pop("ssl", False) else _Asking
    connection = kind(**arguments, redis_connect_func=converse)
    connection.contexts = service.panel.contexts
    _asking.add(connection)
    try:
        # In the handshake: there, each single step is cut to the deadline.
        connection.open(deadline)
    finally:
        connection.disconnect()
    return answers


def _ask_next(search: Search) -> tuple[Address, list[Any]] | None:
    """Ask one Sentinel after the other, until one answers; None when none is left."""
    while (turn := search.next_sentinel()) is not None:
        sentinel, patience = turn
        try:
            return sentinel, _ask(search.service, sentinel, patience)
        except (redis.RedisError, OSError) as error:
            search.no_answer(sentinel, error)
    return None


@in_child
def _hang_up() -> None:
    """Close what a thread of the parent's was asking by."""
    for connection in list(_asking):
        connection.disconnect()


class _BySentinel(BySentinel, _Mixin):
    """Before redis-py's connection classes: `connect()` finds the server first.

    To be dialled by a pool of this package, whose deadline it keeps to.
    """

    port: int
    server: Address | None
    keep_for: float | None
    _deadline: Deadline | None

    def connect(self) -> None:
        """Ask for a server, and connect to it, before the deadline of the dial."""
        assert self._deadline is not None
        search = Search(self._service, self._deadline)
        while (found := _ask_next(search)) is not None:
            for server, share in search.servers(*found):
                if self._reaches(server, share, search):
                    self.server, self.keep_for = search.found(found[0], server)
                    return
        raise search.failure()

    @classmethod
    def whereabouts(
        cls, settings: Mapping[str, Any], known: Address, deadline: Deadline
    ) -> Address:
        """Return where the master is, of a pool with these arguments: as `known`, or elsewhere.

        Elsewhere only if most Sentinels agree. Raises redis-py's errors when none of them answers.
        """
        vote = Vote(Service.of(settings), known, deadline)
        while vote.is_open and (found := _ask_next(vote)) is not None:
            vote.count(*found)
        return vote.result()

    def _reaches(self, server: Address, share: Deadline, search: Search) -> bool:
        """Dial one server within its share of the time; False if another one may do."""
        whole, self._deadline = self._deadline, share
        self.host, self.port = server
        try:
            super().connect()
        except (redis.RedisError, OSError) as error:
            if self._deadline is None or not search.goes_on_after(error, server):
                raise
            self.disconnect()
            self._deadline = whole
            return False
        return True

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Shake hands; a master that was demoted, and still listens, is none."""
        super().on_connect_check_health(*args, **kwargs)
        if not self.is_for_reading:
            self._service.require(self._role(), (self.host, self.port))

    def _role(self) -> str | None:
        """Return the server's role; None where a user may not even ask that."""
        known = role_in(self.handshake_metadata)  # redis-py's HELLO was answered, with RESP3
        if known is None:
            try:
                self.send_command("HELLO", check_health=False)
                known = role_in(self.read_response())
            except redis.ResponseError:
                pass
        return known


class SentinelConnection(_BySentinel, redis.Connection):
    """To a service's master, or to one of its replicas."""


class SentinelSSLConnection(_BySentinel, redis.SSLConnection):
    """The same, by TLS."""
