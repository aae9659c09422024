"""What a project wants of each server: how many connections, by which settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...config import PoolConfig
from ...status.projects import address_of

__all__ = ["Need", "needs_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One server, the pools that go there, and how large they may become.

    `per_process` has the connections that one process may open, by alias; `workers` how many
    processes there are, or will be, and `is_guess` tells that none answered and none were named.
    """

    name: str
    configs: tuple[PoolConfig, ...]
    per_process: Mapping[str, int]
    workers: int
    is_guess: bool
    uses: frozenset[str]

    @property
    def config(self) -> PoolConfig:
        """The settings to dial with."""
        return self.configs[0]

    @property
    def connections(self) -> int:
        """How many connections all the processes may open there, to each node of a cluster."""
        return self.workers * sum(self.per_process.values())


def needs_of(
    configs: Mapping[str, PoolConfig],
    reports: Iterable[Mapping[str, Any]],
    workers: int | None,
    uses: Mapping[str, frozenset[str]],
) -> list[Need]:
    """Return one for each server; databases of one server are together."""
    answered = list(reports)
    by_server: dict[str, list[PoolConfig]] = {}
    for config in configs.values():
        by_server.setdefault(_server_of(config), []).append(config)
    return [
        Need(
            name=name,
            configs=tuple(these),
            per_process={each.alias: _size(each, answered) for each in these},
            workers=workers or len(answered) or 1,
            is_guess=workers is None and not answered,
            uses=frozenset().union(*(uses.get(each.alias, frozenset()) for each in these)),
        )
        for name, these in by_server.items()
    ]


def _server_of(config: PoolConfig) -> str:
    address = address_of({**config.options, "db": 0}, config.connection_class)
    return address.removesuffix("?db=0").removesuffix("/0")


def _size(config: PoolConfig, reports: list[Mapping[str, Any]]) -> int:
    """Return what one process may open: in threads, and in its event loops, each by itself."""
    sizes = [config.max_connections]
    for report in reports:
        by_server: Counter[str] = Counter()
        for pool in report["pools"]:
            if pool["alias"] == config.alias:
                by_server[pool["server"]] += pool["settings"]["max_connections"]
        sizes += by_server.values()
    return max(sizes)
