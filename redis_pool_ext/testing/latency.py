"""`slow_redis`: the server answers, and late."""

from __future__ import annotations

from collections.abc import Iterator

from ..pooling.base import PoolBase
from ..problems import ConfigError, Problem, shown
from .blocks import block
from .chosen import each_pool
from .tapping import tapping
from .taps import TapOfAlias

__all__ = ["slow_redis"]


@block
def slow_redis(seconds: float, alias: str = "default") -> Iterator[None]:
    """Have each answer of the server of `alias` come so many seconds late.

    What waits for it is as with a slow server: `socket_timeout` ends the wait with
    `redis.TimeoutError`, a budget with `BudgetExceededError`, a task can be cancelled. The
    answers to one pipeline come together, late once. Dials are as quick as ever.
    """
    _require_seconds(seconds)
    with tapping(_Late(alias, seconds)), each_pool(alias, _nothing, "slow_redis"):
        yield


class _Late(TapOfAlias):
    def __init__(self, alias: str, seconds: float) -> None:
        super().__init__(alias)
        self._seconds = seconds

    def delay(self) -> float:
        return self._seconds


def _nothing(_pool: PoolBase) -> None:
    """Do nothing with a pool: its connections are what is slow."""


def _require_seconds(seconds: object) -> None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds < float("inf"):  # type: ignore[operator]
        problem = f"{shown(seconds)} is not a number of seconds"
        raise ConfigError(
            [Problem("E003", "slow_redis(seconds)", problem, "give one, 0 or more, as in 0.5")]
        )
