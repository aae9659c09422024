"""What each setting may be: one rule per name, for the pool and for redis-py's arguments."""

from __future__ import annotations

import codecs
import inspect
import os
import re
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider

from ..rule import Rule, an_object, flag, is_a, one_of, seconds, text, whole

__all__ = ["OPTION_RULES", "POOL_RULES", "REDIS_PY_ARGUMENTS", "arguments_of"]


def _is_encoding(name: str) -> bool:
    try:
        return bool(codecs.lookup(name))
    except (LookupError, ValueError):
        return False


def _are_exceptions(value: Any) -> bool:
    return isinstance(value, list | tuple | set) and all(
        isinstance(kind, type) and issubclass(kind, BaseException) for kind in value
    )


def _are_reservations(value: Mapping[Any, Any]) -> bool:
    number = whole(1)
    numbers = value.values()
    return value.keys() <= {"high", "normal"} and not any(number.problem("", n) for n in numbers)


def _parse_reservations(text: str) -> Any:
    """Read what a URL says, as in `high:2,normal:4`."""
    pairs = [part.partition(":") for part in text.split(",")]
    rule = whole(1)
    return {name: rule.parse(number) for name, _, number in pairs} if text else text


POOL_RULES: dict[str, Rule] = {
    "max_connections": whole(1),
    "timeout": seconds(zero="do not wait"),
    "max_waiting": whole(0, none=True),
    "queue_discipline": one_of("fifo", "codel"),
    "queue_target": seconds(),
    "queue_interval": seconds(),
    "reserved": Rule(
        expected="a mapping of priority to a number of connections",
        fits=is_a(Mapping),
        allows=_are_reservations,
        fault="is no reservation",
        hint="give numbers for 'high' or 'normal' or both, as in {'high': 2}",
        none=True,
        parse=_parse_reservations,
    ),
    "max_connecting": whole(1),
    "hold": one_of("request", "command"),
    "min_idle": whole(0),
    "max_idle": whole(0, none=True),
    "idle_timeout": seconds(none=True),
    "max_lifetime": seconds(none=True),
    "validate_after": seconds(zero="ask every time", none=True),
    "leak_detection_threshold": seconds(none=True),
    "housekeeping_interval": seconds(none=True),
}

_FILE = text("the path of a file", os.PathLike)

OPTION_RULES: dict[str, Rule] = {
    "client_name": Rule(
        expected="a text (str)",
        fits=is_a(str),
        allows=lambda name: re.fullmatch(r"[!-~]*", name) is not None,
        fault="is not a name that Redis takes",
        hint="write it in ASCII without spaces",
        none=True,
    ),
    "connection_class": an_object("a class", is_a(type)),
    "credential_provider": an_object("a CredentialProvider", is_a(CredentialProvider), secret=True),
    "db": whole(0),
    "decode_responses": flag(),
    "encoding": Rule(
        expected="the name of an encoding (str)",
        fits=is_a(str),
        allows=_is_encoding,
        fault="is not an encoding that Python knows",
        hint="the usual one is 'utf-8'",
    ),
    "encoding_errors": text(none=False),
    "health_check_interval": seconds(zero="no checks"),
    "host": text("a host name (str)", none=False),
    "legacy_responses": flag(),
    "lib_name": text(),
    "lib_version": text(),
    "parser_class": an_object("a class", is_a(type)),
    "password": Rule(
        expected="a text (str), a function that returns one",
        fits=lambda value: isinstance(value, str) or callable(value),
        hint="give it as str",
        none=True,
        secret=True,
    ),
    "path": text("the path of a socket (str)", none=False),
    "port": whole(1, 65535),
    "protocol": whole(2, 3, none=True),
    "redis_connect_func": an_object("a function", callable),
    "retry": an_object("a Retry", lambda value: hasattr(value, "call_with_retry")),
    "retry_on_error": an_object("a list of exception classes", _are_exceptions),
    "retry_on_timeout": flag(),
    "role": one_of("master", "replica"),
    "sentinel_kwargs": an_object("a mapping", is_a(Mapping), secret=True),
    "service_name": text("the name of a service (str)", none=False),
    "socket_connect_timeout": seconds(none=True),
    "socket_keepalive": flag(none=True),
    "socket_keepalive_options": an_object("a mapping", is_a(Mapping)),
    "socket_read_size": whole(1),
    "socket_timeout": seconds(none=True),
    "ssl_ca_certs": _FILE,
    "ssl_ca_data": text("certificates (str or bytes)", bytes),
    "ssl_ca_path": _FILE,
    "ssl_cert_reqs": one_of("none", "optional", "required", also=(ssl.VerifyMode,), none=True),
    "ssl_certfile": _FILE,
    "ssl_check_hostname": flag(),
    "ssl_ciphers": text(),
    "ssl_keyfile": _FILE,
    "ssl_min_version": whole(0, none=True),
    "ssl_password": text(secret=True),
    "ssl_validate_ocsp": flag(),
    "ssl_validate_ocsp_stapled": flag(),
    "username": text(secret=True),
}


@lru_cache(maxsize=64)
def arguments_of(connection_class: type[Any]) -> frozenset[str] | None:
    """Return the names that a connection class takes; None when it takes anything."""
    names = {"connection_class"}
    for cls in connection_class.__mro__:
        if cls is object or "__init__" not in vars(cls):
            continue
        parameters = inspect.signature(vars(cls)["__init__"]).parameters.values()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names.update(parameter.name for parameter in parameters if parameter.kind in kinds)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return frozenset(names - {"self"})
    return None


REDIS_PY_ARGUMENTS = (arguments_of(SSLConnection) or frozenset()) | (
    arguments_of(UnixDomainSocketConnection) or frozenset()
)
