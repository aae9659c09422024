"""Views on pools that there are not are refused as their app gets them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Flask

from ..config import ConfigError
from ..process import config_for, unknown
from ..web.view_policy import policies_of

__all__ = ["follow"]


def follow(app: Flask, known: Collection[str]) -> None:
    """Refuse views of `app` on a pool that is not among the `known` ones, as they are added."""
    add_url_rule = app.add_url_rule

    def add_known_rule(
        rule: str, endpoint: str | None = None, view_func: Any = None, *args: Any, **options: Any
    ) -> None:
        _require(view_func, known)
        add_url_rule(rule, endpoint, view_func, *args, **options)

    for view in app.view_functions.values():
        _require(view, known)
    app.add_url_rule = add_known_rule  # type: ignore[method-assign]


def _require(view: Any, known: Collection[str]) -> None:
    for policy in policies_of(view):
        if policy.alias is not None and policy.alias not in known:
            _require_of_process(policy.alias, known)


def _require_of_process(alias: str, known: Collection[str]) -> None:
    try:
        config_for(alias)
    except ConfigError:
        raise ConfigError([unknown(alias, known)]) from None
