"""Reading a Redis URL: which connection class, which arguments, which pool settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.connection import SSLConnection, UnixDomainSocketConnection, parse_url

__all__ = ["SCHEMES", "ParsedUrl", "hide_secrets", "read_url"]

# What the pool itself takes from a URL's query; everything else there is redis-py's.
POOL_QUERY: dict[str, type[Any]] = {
    "max_connections": int,
    "timeout": float,
    "max_waiting": int,
    "max_connecting": int,
    "hold": str,
}
SCHEMES = ("redis", "rediss", "unix", "fakeredis")

_SECRET_QUERY = ("password", "username", "ssl_password")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedUrl:
    """What a URL says: a connection class, redis-py's arguments, the pool's settings."""

    connection_class: type[Any]
    options: dict[str, Any] = field(repr=False)
    pool: dict[str, Any]


def read_url(url: str) -> ParsedUrl:
    """Take a URL apart; no connection is made.

    Raises `ValueError` with a sentence, free of credentials, for one that makes no sense.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"the scheme must be one of {', '.join(s + '://' for s in SCHEMES)}")
    query = _read_query(parts.query)
    pool = {name: _cast(name, query.pop(name)) for name in POOL_QUERY if name in query}
    if parts.scheme != "unix":
        _check_database(parts.path, query.get("db"))
        _check_port(parts)
    elif not parts.path:
        raise ValueError("a unix:// URL needs the path of the socket, as in unix:///run/redis.sock")
    scheme = "redis" if parts.scheme == "fakeredis" else parts.scheme
    options = parse_url(urlunsplit(parts._replace(scheme=scheme, query=urlencode(query))))
    options.pop("connection_class", None)
    return ParsedUrl(connection_class=_class_for(parts.scheme), options=options, pool=pool)


def hide_secrets(url: str) -> str:
    """Return the URL as it may be shown: without user name, password and query secrets."""
    shown = re.sub(r"//[^/?#]*@", "//***@", url)
    names = "|".join(_SECRET_QUERY)
    return re.sub(rf"([?&](?:{names})=)[^&#]*", r"\1***", shown)


def _read_query(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if values.setdefault(name, value) != value:
            raise ValueError(f"{name} stands twice in the query, with different values")
    return values


def _cast(name: str, value: str) -> Any:
    kind = POOL_QUERY[name]
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{name}={value!r} in the query is not {_A[kind]}") from None


_A = {int: "a whole number", float: "a number of seconds", str: "a text"}


def _check_database(path: str, in_query: str | None) -> None:
    in_path = path.strip("/")
    for value in (in_path, in_query):
        if value and not value.isdecimal():
            raise ValueError(f"the database must be a whole number, not {value!r}")
    if in_path and in_query and int(in_path) != int(in_query):
        raise ValueError(f"the path says database {in_path}, the query says db={in_query}")


def _check_port(parts: Any) -> None:
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(
            "the port must be a whole number up to 65535 (a password with / ? # or @ in it "
            "must be percent-encoded)"
        ) from None


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
