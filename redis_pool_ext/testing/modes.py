"""Which pools a test has, in one word: "fake", "real", "off", or the URL of a server."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ..config import ConfigError, Problem
from ..problems import did_you_mean, shown
from .blocks import Block
from .fakes import fake_pools
from .real import isolated_pools

__all__ = ["MODES", "pools_for"]

MODES = ("fake", "real", "off")


def pools_for(mode: object, *pools: Any, where: str) -> Block[Any]:
    """Return what holds for one test; `where` says who has asked for that.

    `pools` are the arguments of `fake_pools` or `isolated_pools`. Raises `ConfigError`.
    """
    is_url = isinstance(mode, str) and "://" in mode
    if not is_url and mode not in MODES:
        raise _problem(where, f"{shown(mode)} is not a mode", did_you_mean(mode, MODES))
    if mode == "fake":
        return fake_pools(*pools)
    if len(pools) > (mode == "real"):
        takes = "one argument" if mode == "real" else "no arguments"
        raise _problem(where, f"{shown(mode)} takes {takes}, and has {len(pools)}")
    if mode == "off":
        return Block(nullcontext, "off")
    return isolated_pools(*pools) if mode == "real" else isolated_pools(mode)  # type: ignore[arg-type]


def _problem(where: str, message: str, more: str = "") -> ConfigError:
    known = (
        "give 'fake' (pools or settings may follow), 'real' (a URL or settings), 'off', or a URL"
    )
    return ConfigError([Problem("E003", where, message, known + more)])
