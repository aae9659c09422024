"""Which Sentinels there are, what they are asked, and what their answers mean.

The protocol is Redis's own for its clients (redis.io: "Guidelines for Redis clients with
Sentinel"). Nothing here waits or talks: connections of threads and of tasks have it in common.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from inspect import signature
from time import monotonic
from typing import Any, Self

import redis
import redis.connection
from redis.sentinel import MasterNotFoundError

from .tls import Contexts

__all__ = ["Address", "BySentinel", "Panel", "Service", "role_in", "shown_address"]

# Seconds. A failover is a matter of one or two, and whoever waits for the end of a longer
# backoff would double that.
LONGEST_BACKOFF = 0.5

# Seconds between two looks whether the master is still where it was. A failover that somebody
# asked for cuts no connection of the old master's for its first ten seconds, and what is
# written there meanwhile is lost.
LOOKS_EVERY = 0.5

# Seconds for which a Sentinel that did not answer is not waited for again, if another one did:
# in a failover that would make each look for the new master longer by its share of the time.
SILENT_FOR = 5.0

# How nobody introduces himself to a Sentinel: that were two more round trips.
_ANONYMOUS: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in signature(redis.connection.AbstractConnection).parameters
    else {"lib_name": None, "lib_version": None}  # redis-py before 7.1
)

# What Sentinel says of a replica that nobody should be sent to.
_UNFIT = frozenset({"s_down", "o_down", "disconnected"})

Address = tuple[str, int]


class Panel:
    """The Sentinels of one list, as this process has come to know them.

    No lock: each change is one assignment, and of two at once either is right.
    """

    def __init__(self, addresses: tuple[Address, ...]) -> None:
        self._order = addresses
        self.contexts: Contexts = (
            Contexts()
        )  # by TLS, each question would read all certificates anew
        self._silent: dict[Address, float] = {}  # since when: last asked of all

    def in_order(self) -> list[Address]:
        """Return them all: the one to ask first in front, those that did not answer behind."""
        silent = dict(self._silent)
        return sorted(self._order, key=lambda address: silent.get(address, 0.0))

    def was_right(self, address: Address) -> None:
        """Ask this one first from now on."""
        self._silent.pop(address, None)
        self._order = (address, *self._others(address))

    def was_wrong(self, address: Address) -> None:
        """Ask another one first: where this one sent us, there was nobody."""
        self._silent.pop(address, None)
        self._order = (*self._others(address), address)

    def was_silent(self, address: Address) -> None:
        """Ask this one only after those that answer."""
        self._silent[address] = monotonic()

    def is_silent(self, address: Address) -> bool:
        """Tell whether this one did not answer a moment ago."""
        since = self._silent.get(address)
        return since is not None and monotonic() - since < SILENT_FOR

    def _others(self, address: Address) -> list[Address]:
        return [other for other in self._order if other != address]


# By the list: all pools of the process learn of a Sentinel that hangs, when one has.
_panel_of = lru_cache(maxsize=128)(Panel)


class Service:
    """What one connection looks for: who to ask, under which name, in which role."""

    def __init__(
        self,
        sentinels: Iterable[Any],
        name: str,
        role: str = "master",
        credentials: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.is_for_reading: bool = role == "replica"
        self.credentials: Mapping[str, Any] = (
            credentials or {}
        )  # and what else a connection to a Sentinel needs
        self.panel: Panel = _panel_of(tuple((str(host), int(port)) for host, port in sentinels))

    def arguments_for(self, sentinel: Address) -> dict[str, Any]:
        """Return redis-py's arguments of a connection to one Sentinel; `ssl` is for the caller."""
        host, port = sentinel
        # RESP2: a Sentinel that wants no password is asked in a single round trip.
        return {**self.credentials, **_ANONYMOUS, "host": host, "port": port, "protocol": 2}

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Return what the connections of a pool with these arguments look for."""
        return cls(
            settings["sentinels"],
            settings["service_name"],
            settings.get("role", "master"),
            settings.get("sentinel_kwargs"),
        )

    def questions(self) -> list[tuple[str, ...]]:
        """Return the commands for a Sentinel, which may be sent together."""
        master = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        return [master, ("SENTINEL", "REPLICAS", self.name)] if self.is_for_reading else [master]

    def servers_in(self, answers: Sequence[Any]) -> list[Address]:
        """Return the servers that a Sentinel has named, the one to try first in front.

        Readers have the replicas in an order of their own, for the load to be shared, and
        the master behind all of them: it is better than nothing. Empty: it knows nothing
        of that name.
        """
        if answers[0] is None:
            return []
        host, port = answers[0]
        master = _text(host), int(port)
        if not self.is_for_reading:
            return [master]
        replicas = [_fields(each) for each in answers[1]]
        fit = [(each["ip"], int(each["port"])) for each in replicas if _is_fit(each)]
        return [*random.sample(fit, len(fit)), master]

    def require(self, role: str | None, server: Address) -> None:
        """Raise `MasterNotFoundError` where writes would go to a replica; None: unknown."""
        if not self.is_for_reading and role not in (None, "master"):
            raise MasterNotFoundError(
                f"{shown_address(server)} is a {role}, though a Sentinel names it the master of "
                f"{self.name!r}"
            )


class BySentinel:
    """What a connection by Sentinel is told, and says of itself; a mixin."""

    # Read by the pool, the last two by way of `Account`.
    longest_backoff = LONGEST_BACKOFF
    looks_every = LOOKS_EVERY
    server: Address | None
    keep_for: float | None

    def __init__(
        self,
        *args: Any,
        sentinels: Iterable[tuple[str, int]],
        service_name: str,
        role: str = "master",
        sentinel_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._service = Service(sentinels, service_name, role, sentinel_kwargs)
        self.is_for_reading: bool = self._service.is_for_reading
        super().__init__(*args, **kwargs)


def role_in(reply: Any) -> str | None:
    """Return the server's role by its reply to HELLO; None when that does not tell."""
    role: str | None = _fields(reply).get("role")
    return role


def _is_fit(replica: Mapping[str, str]) -> bool:
    flags = replica.get("flags", "").split(",")
    return _UNFIT.isdisjoint(flags) and replica.get("master-link-status", "ok") == "ok"


def _fields(reply: Any) -> dict[str, Any]:
    """Return a mapping, or a flat list of names and values, with its texts decoded."""
    if isinstance(reply, list | tuple):
        reply = dict(zip(reply[::2], reply[1::2], strict=False))
    if not isinstance(reply, Mapping):
        return {}
    return {_text(name): _text(value) for name, value in reply.items()}


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def shown_address(address: Address) -> str:
    """Return an address as it is written in a URL."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
