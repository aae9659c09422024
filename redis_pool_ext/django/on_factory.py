"""Caches of django-redis that have their clients from our factory: which, and what is wrong.

The factory says it, too, but to the first visitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ..config import ConfigError
from ..problems import Problem
from .factory import ConnectionFactory

__all__ = ["find_problems", "is_on_factory"]

_FACTORY = f"{ConnectionFactory.__module__}.{ConnectionFactory.__qualname__}"


def is_on_factory(entry: Mapping[str, Any]) -> bool:
    """Tell of an entry of `CACHES` whether it is django-redis on our pool."""
    everywhere = getattr(settings, "DJANGO_REDIS_CONNECTION_FACTORY", None)
    own = _options(entry).get("CONNECTION_FACTORY")
    backend = str(entry.get("BACKEND", ""))
    return (own or everywhere) == _FACTORY and backend.startswith("django_redis.")


def find_problems(alias: str, entry: Mapping[str, Any]) -> list[Problem]:
    """Return what the factory would refuse; the first thing, as it does."""
    try:
        factory = ConnectionFactory(_options(entry))
        for location in _locations(entry.get("LOCATION")):
            factory.connect(location)
    except ImproperlyConfigured as error:
        message = str(error).removeprefix("CACHES ")
        hint = "docs/migrating-from-django-redis.md has it setting by setting"
        return [Problem("E017", f"CACHES[{alias!r}]", message, hint)]
    except ConfigError:  # which `check_pools` reports
        pass
    return []


def _options(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    options = entry.get("OPTIONS")
    return options if isinstance(options, Mapping) else {}


def _locations(location: object) -> list[str]:
    """Return the servers of a LOCATION, as django-redis reads it."""
    if isinstance(location, str):
        return location.split(",")
    return list(map(str, location)) if isinstance(location, list | tuple) else []
