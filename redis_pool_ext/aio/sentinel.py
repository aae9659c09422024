# mypy: disable-error-code="no-untyped-call"
"""A task's connection that asks Sentinels for its server: the twin of the one for threads."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from ..connecting.search import Search, Vote
from ..connecting.sentinels import Address, BySentinel, Service, role_in
from ..deadline import Deadline
from ..forks import in_child
from .dial import DialledAsyncConnection

__all__ = ["AsyncSentinelConnection", "AsyncSentinelSSLConnection"]

# Of the time. Else the whole dial ends first, which cannot say where it was.
NEARLY_ALL = 0.95

if TYPE_CHECKING:
    _Mixin = DialledAsyncConnection
else:
    _Mixin = object


class _Asking(DialledAsyncConnection, redis.asyncio.Connection):
    """A connection to a Sentinel, for one question."""


class _AskingByTls(DialledAsyncConnection, redis.asyncio.SSLConnection):
    """The same, by TLS."""


_asking: weakref.WeakSet[Any] = weakref.WeakSet()


async def _ask(service: Service, sentinel: Address, deadline: Deadline) -> list[Any]:
    """Put a service's questions to one Sentinel; raises redis-py's errors."""
    answers: list[Any] = []

    async def converse(connection: Any) -> None:
        await connection.on_connect()
        for question in service.questions():
            await connection.send_command(*question, check_health=False)
        answers.extend([await connection.read_response() for _ in service.questions()])

    arguments = service.arguments_for(sentinel)
    kind = _AskingByTls if arguments.pop("ssl", False) else _Asking
    connection = kind(**arguments, redis_connect_func=converse)
    connection.contexts = service.panel.contexts
    _asking.add(connection)
    try:
        # In the handshake: all of that has one deadline.
        await connection.open(deadline)
    finally:
        connection._hang_up()
    return answers


async def _ask_next(search: Search) -> tuple[Address, list[Any]] | None:
    """Ask one Sentinel after the other, until one answers; None when none is left."""
    while (turn := search.next_sentinel()) is not None:
        sentinel, patience = turn
        try:
            return sentinel, await _ask(search.service, sentinel, patience)
        except (redis.RedisError, OSError) as error:
            search.no_answer(sentinel, error)
    return None


@in_child
def _hang_up() -> None:
    """Close what a task of the parent's was asking by."""
    for connection in list(_asking):
        connection._hang_up()


class _BySentinel(BySentinel, _Mixin):
    """Before redis-py's connection classes: `connect()` finds the server first.

    To be dialled by a pool of this package, whose deadline it keeps to.
    """

    port: int
    server: Address | None
    keep_for: float | None

    async def connect(self) -> None:
        """Ask for a server, and connect to it, before the deadline of the dial."""
        assert self._deadline is not None
        search = Search(self._service, self._deadline)
        while (found := await _ask_next(search)) is not None:
            for server, share in search.servers(*found):
                if await self._reaches(server, share, search):
                    self.server, self.keep_for = search.found(found[0], server)
                    return
        raise search.failure()

    @classmethod
    async def whereabouts(
        cls, settings: Mapping[str, Any], known: Address, deadline: Deadline
    ) -> Address:
        """Return where the master is, of a pool with these arguments: as `known`, or elsewhere.

        Elsewhere only if most Sentinels agree. Raises redis-py's errors when none of them answers.
        """
        vote = Vote(Service.of(settings), known, deadline)
        while vote.is_open and (found := await _ask_next(vote)) is not None:
            vote.count(*found)
        return vote.result()

    async def _reaches(self, server: Address, share: Deadline, search: Search) -> bool:
        """Dial one server within its share of the time; False if another one may do."""
        whole, self._deadline = self._deadline, share
        self.host, self.port = server
        try:
            await self._connect_within(share.remaining() * NEARLY_ALL)
        except (redis.RedisError, OSError) as error:
            if self._deadline is None or not search.goes_on_after(error, server):
                raise
            self._hang_up()
            self._deadline = whole
            return False
        return True

    async def _connect_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await super().connect()
                return
        raise redis.TimeoutError("Timeout connecting to server")

    async def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Shake hands; a master that was demoted, and still listens, is none."""
        await super().on_connect_check_health(*args, **kwargs)
        if not self.is_for_reading:
            self._service.require(await self._role(), (self.host, self.port))

    async def _role(self) -> str | None:
        """Return the server's role; None where a user may not even ask that."""
        try:
            await self.send_command("HELLO", check_health=False)
            return role_in(await self.read_response())
        except redis.ResponseError:
            return None


class AsyncSentinelConnection(_BySentinel, redis.asyncio.Connection):
    """To a service's master, or to one of its replicas."""


class AsyncSentinelSSLConnection(_BySentinel, redis.asyncio.SSLConnection):
    """The same, by TLS."""
