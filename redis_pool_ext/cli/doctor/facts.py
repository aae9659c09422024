"""What one server tells of itself, as far as it may be asked, within a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import redis

from ...deadline import Deadline
from ..servers import targets
from ..way_out import way_out
from .need import Need

__all__ = ["NO_TIME", "Facts", "facts_of"]

PINGS = 40
PINGS_SECONDS = 0.5  # for all of them
SLOW_MAX = 32  # entries of the slow log that are read

NO_TIME = "there was no time left"

FAILURES = (redis.RedisError, OSError)
_SETTINGS = ("maxclients", "timeout", "tcp-keepalive", "maxmemory", "maxmemory-policy")


@dataclass(slots=True)
class Facts:
    """What was found out; what is None could not be: `refused` has what the server said to it.

    `error` is set where it cannot be reached, or was lost on the way.
    """

    name: str
    need: Need
    info: dict[str, Any] | None = None
    settings: dict[str, str] | None = None
    clients: list[dict[str, str]] | None = None
    slow: list[dict[str, Any]] | None = None
    own_id: int | None = None
    pings: list[float] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    way_out: str | None = None

    def lost(self, error: BaseException) -> None:
        """Note why there is no more."""
        self.error, self.way_out = str(error) or type(error).__name__, way_out(error)


def facts_of(need: Need, deadline: Deadline) -> list[Facts]:
    """Ask a server, or each node of a cluster; what cannot be reached is told, not raised."""
    found: list[Facts] = []
    try:
        with targets(need.config, deadline) as servers:
            for name, pool in servers:
                facts = Facts(name if need.config.is_cluster else need.name, need)
                found.append(facts)
                _look_at(facts, pool, deadline)
    except FAILURES as error:  # a cluster whose nodes nobody tells
        found.append(lost := Facts(need.name, need))
        lost.lost(error)
    return found


def _look_at(facts: Facts, pool: Any, deadline: Deadline) -> None:
    try:
        with pool.lease() as client:
            client.connection_pool.take()
            an_answer = pool.connection_kwargs["socket_timeout"]
            _ask_all(facts, client, _Asking(facts, deadline, an_answer))
    except FAILURES as error:
        facts.lost(error)


class _Asking:
    """Asks as long as an answer would come before the deadline; a refusal is a fact, too."""

    def __init__(self, facts: Facts, deadline: Deadline, an_answer: float) -> None:
        self._facts, self._deadline, self._an_answer = facts, deadline, an_answer

    @property
    def is_late(self) -> bool:
        return self._deadline.remaining() < self._an_answer

    def ask(self, what: str, question: Callable[[], Any]) -> Any:
        if self.is_late:
            self._facts.refused[what] = NO_TIME
            return None
        try:
            return question()
        except redis.ResponseError as error:  # no right, or no such command
            self._facts.refused[what] = str(error)
            return None


def _ask_all(facts: Facts, client: Any, asking: _Asking) -> None:
    facts.pings = _pings(client, asking)
    facts.info = asking.ask("INFO", client.info)
    facts.settings = asking.ask("CONFIG GET", lambda: _settings(client))
    facts.own_id = asking.ask("CLIENT ID", client.client_id)
    facts.clients = asking.ask("CLIENT LIST", client.client_list)
    facts.slow = asking.ask("SLOWLOG GET", lambda: client.slowlog_get(SLOW_MAX))


def _settings(client: Any) -> dict[str, str]:
    # One by one: several names in one command are of Redis 7.
    return {name: value for each in _SETTINGS for name, value in client.config_get(each).items()}


def _pings(client: Any, asking: _Asking) -> list[float]:
    times: list[float] = []
    end = perf_counter() + PINGS_SECONDS
    while len(times) < PINGS and (began := perf_counter()) < end and not asking.is_late:
        client.ping()
        times.append(perf_counter() - began)
    return times
