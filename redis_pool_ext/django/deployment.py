"""`manage.py check --deploy`: settings that work, and are not for production.

Nothing is connected to. What only a running server knows (its `maxclients`, its memory, who waits
how long) is not for a check; here is what the settings alone say.
"""

from __future__ import annotations

import inspect
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning
from redis.connection import SSLConnection, UnixDomainSocketConnection

from ..config import ConfigError, PoolConfig, read_settings
from .handover import SETTING

__all__ = ["THREADS", "check_deployment"]

THREADS = "REDIS_POOL_THREADS"
_GUNICORN = "GUNICORN_CMD_ARGS"

# Seconds. Whoever waits for a page has given up by then, and so has the balancer, most likely.
_PATIENCE = 10.0


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Report what a deployment should not have in `REDIS_POOLS`."""
    return [
        Warning(f"{SETTING}[{alias!r}]: {message}", hint=hint, id=f"redis_pool_ext.{code}")
        for alias, config in _configs().items()
        for check in _CHECKS
        for code, message, hint in check(config)
    ]


# A code, a message, a hint.
Found = Iterator[tuple[str, str, str]]


def _configs() -> Mapping[str, PoolConfig]:
    try:
        return read_settings(getattr(settings, SETTING, {}), SETTING)
    except ConfigError:  # which `check_pools` reports
        return {}


def _is_fake(config: PoolConfig) -> bool:
    return config.connection_class.__module__.partition(".")[0] == "fakeredis"


def _fake(config: PoolConfig) -> Found:
    if _is_fake(config):
        yield (
            "W003",
            "is a fake server, in the memory of each process",
            "name a real one: here no process sees what another one has stored, and all of it is "
            "gone with the process",
        )


def _deaf(config: PoolConfig) -> Found:
    default = _default_of(config.connection_class, "socket_timeout")
    if not _is_fake(config) and config.options.get("socket_timeout", default) is None:
        yield (
            "W004",
            "has no socket_timeout",
            "add 'OPTIONS': {'socket_timeout': 1.0}, in seconds: a server that falls silent would "
            "keep each request, and its thread, for ever",
        )


def _default_of(cls: type[Any], argument: str) -> Any:
    """Return what a connection class takes where nothing is said; that differs with redis-py."""
    for each in cls.__mro__:
        constructor = vars(each).get("__init__")
        if inspect.isfunction(constructor):
            parameter = inspect.signature(constructor).parameters.get(argument)
            if parameter is not None:
                return parameter.default
    return None


def _readable(config: PoolConfig) -> Found:
    """Find a password that goes over a network in plain text, to Redis or to its Sentinels."""
    options, sentinel = config.options, config.options.get("sentinel_kwargs") or {}
    is_plain = not issubclass(config.connection_class, SSLConnection)
    is_told = is_plain and any(map(options.get, ("password", "credential_provider")))
    is_told_to_sentinel = bool(sentinel.get("password")) and not sentinel.get("ssl")
    if (is_told or is_told_to_sentinel) and _goes_over_network(config):
        yield (
            "W005",
            "sends its password over the network in plain text",
            "use rediss:// (TLS), or a Unix socket; where something else encrypts the way (a "
            "tunnel, a mesh), silence this check",
        )


def _goes_over_network(config: PoolConfig) -> bool:
    if _is_fake(config) or issubclass(config.connection_class, UnixDomainSocketConnection):
        return False
    options = config.options
    addresses = options.get("sentinels") or options.get("startup_nodes")
    hosts = [host for host, _port in addresses or [(options.get("host", "localhost"), 0)]]
    return not all(map(_is_this_machine, hosts))


def _is_this_machine(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name; whatever it leads to
        return False


def _impatient_or_patient(config: PoolConfig) -> Found:
    if config.timeout == 0:
        yield (
            "W006",
            "has TIMEOUT 0",
            "give it a moment, say 0.5: as it is, one request more than there are connections is "
            "answered with 503, although one comes back within milliseconds",
        )
    elif config.timeout > _PATIENCE:
        yield (
            "W006",
            f"has TIMEOUT {config.timeout:g}",
            f"at most {_PATIENCE:g} seconds, better 2: nobody waits so long for a page, and each "
            "request that waits keeps a thread; a quick 503 says when to come back",
        )


def _crowded(config: PoolConfig) -> Found:
    """Compare the threads of one process with the connections of its pool "default".

    Others may be small on purpose, so that what uses them starves nobody else.
    """
    threads, source = _threads()
    is_kept = config.hold == "request" and config.alias == "default"
    if is_kept and threads > config.max_connections:
        yield (
            "W008",
            f"has {config.max_connections} connections for {threads} threads ({source})",
            f"with MAX_CONNECTIONS {threads} no thread ever waits; with fewer, requests that keep "
            "their connection for long (HOLD 'request') make others wait: give it back early, or "
            "silence this check where the measured waits are short",
        )


def _threads() -> tuple[int, str]:
    """Return how many threads a process serves with, and who says so; 0 if nobody does."""
    named = getattr(settings, THREADS, None)
    if isinstance(named, int):  # else `check_threads` reports it
        return named, THREADS
    return _threads_of_gunicorn(os.environ.get(_GUNICORN, "")), _GUNICORN


def _threads_of_gunicorn(line: str) -> int:
    try:
        words = shlex.split(line)
    except ValueError:  # gunicorn says so
        return 0
    found = 0
    for word, after in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if name == "--threads":
            text = value if equals else after
            found = int(text) if text.isdecimal() else 0  # the last one counts
    return found


_CHECKS: tuple[Callable[[PoolConfig], Found], ...] = (
    _fake,
    _deaf,
    _readable,
    _impatient_or_patient,
    _crowded,
)
