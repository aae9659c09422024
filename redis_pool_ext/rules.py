"""What each setting may be: one rule per name, for the pool and for redis-py's arguments.

A rule never changes a value: it says what is wrong with it, or nothing. Only a URL's
query, which is text, is converted.
"""

from __future__ import annotations

import codecs
import inspect
import os
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider

from .problems import Problem, shown

__all__ = ["OPTION_RULES", "POOL_RULES", "REDIS_PY_ARGUMENTS", "SECONDS", "Rule", "arguments_of"]


# -- what a rule is ----------------------------------------------------------------------


def _as_it_is(text: str) -> Any:
    return text


def _anything(_value: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one setting may be.

    `fits` tells whether a value is of the right type, `allows` whether one of that type
    is possible. `parse` converts a text from a URL, and returns as it is what it cannot
    convert.
    """

    expected: str
    fits: Callable[[Any], bool]
    hint: str
    allows: Callable[[Any], bool] = _anything
    fault: str = "is not possible"
    none: bool = False
    secret: bool = False
    parse: Callable[[str], Any] = _as_it_is

    def problem(self, path: str, value: Any) -> Problem | None:
        """Return what is wrong with a value, None when it may be used."""
        if value is None and self.none:
            return None
        said = "the value" if self.secret else shown(value)
        if not self.fits(value):
            expected = self.expected + (" or None" if self.none else "")
            return Problem("E002", path, f"{said} is not {expected}", self._type_hint(value))
        if not self.allows(value):
            return Problem("E003", path, f"{said} {self.fault}", self.hint)
        return None

    def from_text(self, text: str) -> Any:
        """Return what a text in a URL says; the text as it is where that is nothing known."""
        if self.none and text.lower() == "none" and not self.fits(text):
            return None
        return self.parse(text)

    def _type_hint(self, value: Any) -> str:
        if isinstance(value, str) and self.fits(self.parse(value)):
            return "it is a text, as environment variables are: convert it first"
        return self.hint


def _is(*types: type[Any]) -> Callable[[Any], bool]:
    """Return a type check to which True is no number."""
    return lambda value: isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _whole(least: int, most: int | None = None, *, none: bool = False) -> Rule:
    return Rule(
        expected="a whole number",
        fits=_is(int),
        allows=lambda number: least <= number and (most is None or number <= most),
        fault="is too small" if most is None else "is out of range",
        hint=f"the least is {least}" if most is None else f"give {least} to {most}",
        none=none,
        parse=lambda text: int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text,
    )


def _seconds(*, zero: str | None = None, none: bool = False) -> Rule:
    """Return the rule for a time; `zero` says what 0 means, None that it is impossible."""
    least = f"from 0 ({zero}) up" if zero else "above 0"
    return Rule(
        expected="a number of seconds",
        fits=_is(int, float),
        # No comparison with nan holds, and inf is above the greatest.
        allows=lambda n: (n > 0 or (zero is not None and n == 0)) and n <= threading.TIMEOUT_MAX,
        fault="is not a time that one can wait",
        hint=f"give seconds {least}" + (", or None for no limit" if none else ""),
        none=none,
        parse=_parse_seconds,
    )


def _parse_seconds(text: str) -> Any:
    return float(text) if re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)", text) else text


def _flag(*, none: bool = False) -> Rule:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return Rule(
        expected="True or False",
        fits=_is(bool),
        hint="in a URL, write true or false",
        none=none,
        parse=lambda text: words.get(text.lower(), text),
    )


def _text(
    expected: str = "a text (str)", *also: type[Any], none: bool = True, secret: bool = False
) -> Rule:
    hint = "give it as str"
    return Rule(expected=expected, fits=_is(str, *also), hint=hint, none=none, secret=secret)


def _one_of(*choices: str, also: tuple[type[Any], ...] = (), none: bool = False) -> Rule:
    listed = " or ".join(map(repr, choices))
    return Rule(
        expected=listed,
        fits=_is(str, *also),
        allows=lambda value: value in choices or isinstance(value, also),
        fault="is not known",
        hint=f"use {listed}",
        none=none,
    )


def _object(expected: str, fits: Callable[[Any], bool], *, secret: bool = False) -> Rule:
    hint = "it is an object, which no text and no URL can hold"
    return Rule(expected=expected, fits=fits, hint=hint, none=True, secret=secret)


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
    whole = _whole(1)
    numbers = value.values()
    return value.keys() <= {"high", "normal"} and not any(whole.problem("", n) for n in numbers)


def _parse_reservations(text: str) -> Any:
    """Read what a URL says, as in `high:2,normal:4`."""
    pairs = [part.partition(":") for part in text.split(",")]
    whole = _whole(1)
    return {name: whole.parse(number) for name, _, number in pairs} if text else text


# -- the rules ---------------------------------------------------------------------------

POOL_RULES: dict[str, Rule] = {
    "max_connections": _whole(1),
    "timeout": _seconds(zero="do not wait"),
    "max_waiting": _whole(0, none=True),
    "queue_discipline": _one_of("fifo", "codel"),
    "queue_target": _seconds(),
    "queue_interval": _seconds(),
    "reserved": Rule(
        expected="a mapping of priority to a number of connections",
        fits=_is(Mapping),
        allows=_are_reservations,
        fault="is no reservation",
        hint="give numbers for 'high' or 'normal' or both, as in {'high': 2}",
        none=True,
        parse=_parse_reservations,
    ),
    "max_connecting": _whole(1),
    "hold": _one_of("request", "command"),
    "min_idle": _whole(0),
    "max_idle": _whole(0, none=True),
    "idle_timeout": _seconds(none=True),
    "max_lifetime": _seconds(none=True),
    "validate_after": _seconds(zero="ask every time", none=True),
    "leak_detection_threshold": _seconds(none=True),
    "housekeeping_interval": _seconds(none=True),
}

# Of a time that is no setting of a pool.
SECONDS = _seconds()

_FILE = _text("the path of a file", os.PathLike)

OPTION_RULES: dict[str, Rule] = {
    "client_name": Rule(
        expected="a text (str)",
        fits=_is(str),
        allows=lambda name: re.fullmatch(r"[!-~]*", name) is not None,
        fault="is not a name that Redis takes",
        hint="write it in ASCII without spaces",
        none=True,
    ),
    "connection_class": _object("a class", _is(type)),
    "credential_provider": _object("a CredentialProvider", _is(CredentialProvider), secret=True),
    "db": _whole(0),
    "decode_responses": _flag(),
    "encoding": Rule(
        expected="the name of an encoding (str)",
        fits=_is(str),
        allows=_is_encoding,
        fault="is not an encoding that Python knows",
        hint="the usual one is 'utf-8'",
    ),
    "encoding_errors": _text(none=False),
    "health_check_interval": _seconds(zero="no checks"),
    "host": _text("a host name (str)", none=False),
    "legacy_responses": _flag(),
    "lib_name": _text(),
    "lib_version": _text(),
    "parser_class": _object("a class", _is(type)),
    "password": Rule(
        expected="a text (str), a function that returns one",
        fits=lambda value: isinstance(value, str) or callable(value),
        hint="give it as str",
        none=True,
        secret=True,
    ),
    "path": _text("the path of a socket (str)", none=False),
    "port": _whole(1, 65535),
    "protocol": _whole(2, 3, none=True),
    "redis_connect_func": _object("a function", callable),
    "retry": _object("a Retry", lambda value: hasattr(value, "call_with_retry")),
    "retry_on_error": _object("a list of exception classes", _are_exceptions),
    "retry_on_timeout": _flag(),
    "role": _one_of("master", "replica"),
    "sentinel_kwargs": _object("a mapping", _is(Mapping), secret=True),
    "service_name": _text("the name of a service (str)", none=False),
    "socket_connect_timeout": _seconds(none=True),
    "socket_keepalive": _flag(none=True),
    "socket_keepalive_options": _object("a mapping", _is(Mapping)),
    "socket_read_size": _whole(1),
    "socket_timeout": _seconds(none=True),
    "ssl_ca_certs": _FILE,
    "ssl_ca_data": _text("certificates (str or bytes)", bytes),
    "ssl_ca_path": _FILE,
    "ssl_cert_reqs": _one_of("none", "optional", "required", also=(ssl.VerifyMode,), none=True),
    "ssl_certfile": _FILE,
    "ssl_check_hostname": _flag(),
    "ssl_ciphers": _text(),
    "ssl_keyfile": _FILE,
    "ssl_min_version": _whole(0, none=True),
    "ssl_password": _text(secret=True),
    "ssl_validate_ocsp": _flag(),
    "ssl_validate_ocsp_stapled": _flag(),
    "username": _text(secret=True),
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
