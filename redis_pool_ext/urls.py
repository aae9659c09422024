"""Reading a Redis URL: which connection class, which address, what the query asks for.

Whatever is said about a URL here is free of credentials, however malformed it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import redis
from redis.connection import SSLConnection, UnixDomainSocketConnection

__all__ = ["SCHEMES", "ParsedUrl", "hide_secrets", "read_url"]

SCHEMES = ("redis", "rediss", "unix", "fakeredis")

# Query values that may be shown; a name that is not here may be a misspelt `password`.
_SHOWN_QUERY = frozenset({
    "db", "decode_responses", "hold", "max_connecting", "max_connections", "max_waiting",
    "protocol", "socket_connect_timeout", "socket_timeout", "timeout",
})  # fmt: skip
_HARMLESS_VALUE = re.compile(r"[\d.]{1,10}|true|false|yes|no|request|command")

_ADDRESS = re.compile(r"(?:\[[\da-fA-F:.]+(?:%25[\w.-]+)?\]|[\w.%-]*)(?::\d{0,5})?")
_PARTS = re.compile(
    r"([a-z][a-z\d+.-]*://)?([^/?#]*@)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?",
    re.DOTALL | re.IGNORECASE,
)

_ENCODE = (
    "its address is not [user:password@]host[:port]; any of / ? # @ % in a password must be "
    "percent-encoded (%2F %3F %23 %40 %25), a port is a whole number from 1 to 65535"
)
_FRAGMENT = "what follows the # would be lost; write %23 where a # is meant"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedUrl:
    """What a URL says: a connection class, the address, and its query, decoded once.

    `options` is the address as redis-py's arguments; `query` holds redis-py's and the
    pool's, still as text.
    """

    connection_class: type[Any]
    options: dict[str, Any] = field(repr=False)
    query: dict[str, str] = field(repr=False)


def read_url(url: str) -> ParsedUrl:
    """Take a URL apart; no connection is made.

    Stricter than redis-py, which drops a fragment, a bad database or a host it has no
    use for in silence. Raises `ValueError` with a sentence, free of credentials.
    """
    if url.partition("://")[0].lower() not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(f"it must begin with one of {known}")
    if not url.isprintable() or " " in url:
        raise ValueError("there is white space in it; where a value needs some, write %20")
    parts = _split(url)
    if parts is None:
        raise ValueError(_ENCODE)
    if "#" in url:
        raise ValueError(_FRAGMENT)
    _check_path(parts)
    return ParsedUrl(
        connection_class=_class_for(parts.scheme),
        options=_read_address(parts),
        query=_read_query(parts.query),
    )


def hide_secrets(url: str) -> str:
    """Return the URL as it may be shown: server and database, no user and no password.

    Where it cannot be told what is a password (`redis://user:password`, the host
    forgotten; an @ behind the address), nothing is shown; and no query value is that is
    not known to be harmless.
    """
    match = _PARTS.fullmatch(url)
    assert match is not None  # the pattern takes every text
    scheme, user, address, path, query, fragment = (part or "" for part in match.groups())
    if "@" in path + query + fragment or not _ADDRESS.fullmatch(address):
        return f"{scheme}***"
    shown = scheme + ("***@" if user else "") + address
    shown += path if scheme == "unix://" or re.fullmatch(r"/?\d*", path) else "/***"
    shown += "?" + "&".join(map(_hide_parameter, query.split("&"))) if query else ""
    return shown + ("#***" if fragment else "")


def _hide_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not (equals and name.isidentifier()):
        return "***"  # the rest of a password with & in it, perhaps
    is_harmless = name in _SHOWN_QUERY and _HARMLESS_VALUE.fullmatch(value)
    return parameter if is_harmless else f"{name}=***"


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None when its address is not one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # not passed on: its text may quote the password
        return None
    address = parts.netloc.rpartition("@")[2]
    cut_short = "@" in parts.path + parts.query + parts.fragment
    return None if port == 0 or cut_short or not _ADDRESS.fullmatch(address) else parts


def _check_path(parts: SplitResult) -> None:
    if parts.scheme == "unix":
        if parts.netloc.rpartition("@")[2] or len(parts.path) <= 1:
            raise ValueError("a unix:// URL is the path of a socket, as in unix:///run/redis.sock")
    elif not re.fullmatch(r"(/\d{0,9})?", parts.path, re.ASCII):
        raise ValueError("its path must be the number of a database, as in /0")


def _read_address(parts: SplitResult) -> dict[str, Any]:
    """Return host, port, database, user name and password, those that are given."""
    if parts.scheme == "unix":
        found: dict[str, Any] = {"path": parts.path}
    else:
        found = {"host": parts.hostname}
    found |= {"username": parts.username, "password": parts.password}
    options: dict[str, Any] = {name: _decode(text) for name, text in found.items() if text}
    if parts.port is not None:
        options["port"] = parts.port
    if parts.scheme != "unix" and len(parts.path) > 1:
        options["db"] = int(parts.path[1:])
    return options


def _read_query(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        _check_decoded(name + value)
        if name in values:
            raise ValueError("a name stands twice in its query")
        values[name] = value
    return values


def _decode(text: str) -> str:
    decoded = unquote(text)
    _check_decoded(decoded)
    return decoded


def _check_decoded(text: str) -> None:
    # unquote() puts this sign where the bytes are no text; a password would change in silence.
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise ValueError("something percent-encoded in it is not UTF-8")


def _class_for(scheme: str) -> type[Any]:
    if scheme == "rediss":
        return SSLConnection
    if scheme == "unix":
        return UnixDomainSocketConnection
    if scheme == "redis":
        return redis.Connection
    if find_spec("fakeredis") is None:
        raise ValueError("fakeredis:// needs fakeredis: pip install 'redis-pool-ext[fakeredis]'")
    from fakeredis import FakeRedisConnection  # optional: only for this scheme

    return FakeRedisConnection
