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

__all__ = ["SCHEMES", "Address", "ParsedUrl", "example_for", "hide_secrets", "read_url"]

Address = tuple[str, int]  # host, port

# By what is behind a scheme's "+": which argument holds the addresses, and their usual port.
_SEVERAL = {"sentinel": ("sentinels", 26379), "cluster": ("startup_nodes", 6379)}

_ONE = ("redis", "rediss", "unix", "fakeredis")
SCHEMES = (*_ONE, *(f"{scheme}+{kind}" for kind in _SEVERAL for scheme in ("redis", "rediss")))

# Query values that may be shown; a name that is not here may be a misspelt `password`.
_SHOWN_QUERY = frozenset({
    "db", "decode_responses", "hold", "max_connecting", "max_connections", "max_waiting",
    "protocol", "socket_connect_timeout", "socket_timeout", "timeout",
})  # fmt: skip
_HARMLESS_VALUE = re.compile(r"[\d.]{1,10}|true|false|yes|no|request|command")

_ADDRESS = re.compile(r"(?:\[[\da-fA-F:.]+(?:%25[\w.-]+)?\]|[\w.%-]*)(?::\d{0,5})?")
# A Sentinel takes only these signs in the name of what it looks after.
_SERVICE = re.compile(r"/([\w.-]+)(?:/(\d{0,9}))?", re.ASCII)
_PARTS = re.compile(
    r"([a-z][a-z\d+.-]*://)?([^/?#]*@)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?",
    re.DOTALL | re.IGNORECASE,
)

_ENCODE = (
    "its address is not [user:password@]host[:port]; any of / ? # @ % in a password must be "
    "percent-encoded (%2F %3F %23 %40 %25), a port is a whole number from 1 to 65535"
)
_ENCODE_SEVERAL = _ENCODE.replace("host[:port];", "host[:port],host[:port],...;")
_FRAGMENT = "what follows the # would be lost; write %23 where a # is meant"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedUrl:
    """What a URL says: a connection class, the address, and its query, decoded once.

    `options` is the address as redis-py's arguments (several addresses are one argument, a
    tuple of host and port each); `query` holds redis-py's and the pool's, still as text.
    """

    connection_class: type[Any]
    options: dict[str, Any] = field(repr=False)
    query: dict[str, str] = field(repr=False)


def read_url(url: str) -> ParsedUrl:
    """Take a URL apart; no connection is made.

    Stricter than redis-py, which drops a fragment, a bad database or a host it has no
    use for in silence. Raises `ValueError` with a sentence, free of credentials.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(f"it must begin with one of {known}")
    if not url.isprintable() or " " in url:
        raise ValueError("there is white space in it; where a value needs some, write %20")
    each = _split_each(url)
    parts = each[0]
    if "#" in url:
        raise ValueError(_FRAGMENT)
    _check_path(parts)
    options = _read_address(parts) | (_read_addresses(each) if _kind_of(scheme) else {})
    return ParsedUrl(
        connection_class=_class_for(scheme), options=options, query=_read_query(parts.query)
    )


def example_for(url: str) -> str:
    """Return how such a URL is written, for whoever wrote it differently."""
    scheme = url.partition("://")[0].lower()
    scheme = scheme if scheme in SCHEMES else "redis"
    several = _SEVERAL.get(_kind_of(scheme))
    if several is None:
        return "redis://user:password@host:6379/0"
    path = "/mymaster/0" if several[0] == "sentinels" else ""
    return f"{scheme}://user:password@host1:{several[1]},host2:{several[1]}{path}"


def hide_secrets(url: str) -> str:
    """Return the URL as it may be shown: server and database, no user and no password.

    Where it cannot be told what is a password (`redis://user:password`, the host
    forgotten; an @ behind the address), nothing is shown; and no query value is that is
    not known to be harmless.
    """
    match = _PARTS.fullmatch(url)
    assert match is not None  # the pattern takes every text
    scheme, user, address, path, query, fragment = (part or "" for part in match.groups())
    kind = _kind_of(scheme.removesuffix("://"))
    addresses = address.split(",") if kind else [address]
    if "@" in path + query + fragment or not all(map(_ADDRESS.fullmatch, addresses)):
        return f"{scheme}***"
    shown = scheme + ("***@" if user else "") + address
    # Without either of these, the end of a password may stand where a service is named.
    is_plain = kind == "sentinel" and (user or len(addresses) > 1)
    is_shown = scheme == "unix://" or re.fullmatch(r"/?\d*", path)
    shown += path if is_shown or (is_plain and _SERVICE.fullmatch(path)) else "/***"
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


def _split_each(url: str) -> list[SplitResult]:
    """Return the parts of a URL, once for each of its addresses. Raises `ValueError`."""
    match = _PARTS.fullmatch(url)
    assert match is not None  # the pattern takes every text
    is_list = bool(_kind_of(url.partition("://")[0]))
    begin, end = match.span(3)
    addresses = match[3].split(",") if is_list else [match[3]]
    each = [_split(url[:begin] + address + url[end:]) for address in addresses]
    found = [parts for parts in each if parts is not None]
    # With two @ in a list, user:password@ stands before each address, most likely.
    if len(found) < len(each) or (is_list and match[2] and match[2].count("@") > 1):
        raise ValueError(_ENCODE_SEVERAL if is_list else _ENCODE)
    return found


def _kind_of(scheme: str) -> str:
    """Return what is behind the + of a scheme; nothing where there is none."""
    return scheme.partition("+")[2].lower()


def _check_path(parts: SplitResult) -> None:
    if parts.scheme == "unix":
        if parts.netloc.rpartition("@")[2] or len(parts.path) <= 1:
            raise ValueError("a unix:// URL is the path of a socket, as in unix:///run/redis.sock")
    elif _kind_of(parts.scheme) == "sentinel":
        # A number alone is a database, and the name before it was forgotten.
        if not _SERVICE.fullmatch(parts.path) or parts.path[1:].isdecimal():
            raise ValueError(
                "its path must be the name that the Sentinels have for the service, and the "
                "number of a database, as in /mymaster/0"
            )
    elif not re.fullmatch(r"(/\d{0,9})?", parts.path, re.ASCII):
        raise ValueError("its path must be the number of a database, as in /0")


def _read_address(parts: SplitResult) -> dict[str, Any]:
    """Return host, port, database, user name and password, those that are given."""
    found: dict[str, Any] = {"username": parts.username, "password": parts.password}
    if parts.scheme == "unix":
        found["path"] = parts.path
    elif not _kind_of(parts.scheme):
        found["host"] = parts.hostname
    options: dict[str, Any] = {name: _decode(text) for name, text in found.items() if text}
    if parts.port is not None and not _kind_of(parts.scheme):
        options["port"] = parts.port
    return options | _read_path(parts)


def _read_path(parts: SplitResult) -> dict[str, Any]:
    """Return what stands in the path: the database, and the name of a service before it."""
    options: dict[str, Any] = {}
    service, number = "", parts.path[1:]
    if _kind_of(parts.scheme) == "sentinel":
        service, _, number = number.partition("/")
        options["service_name"] = service
    if number and parts.scheme != "unix":
        options["db"] = int(number)
    return options


def _read_addresses(each: list[SplitResult]) -> dict[str, tuple[Address, ...]]:
    """Return the addresses as one argument, in the order in which they are written."""
    argument, usual_port = _SEVERAL[_kind_of(each[0].scheme)]
    addresses = tuple((_decode(one.hostname or ""), one.port or usual_port) for one in each)
    if not all(host for host, _ in addresses):
        raise ValueError("there is no host in front of, between or behind its commas")
    if len(set(addresses)) < len(addresses):
        raise ValueError("an address stands twice in it")
    return {argument: addresses}


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
    """Return the connection class: the one place that knows which scheme has which."""
    if scheme in ("rediss", "rediss+cluster"):
        return SSLConnection
    if scheme == "unix":
        return UnixDomainSocketConnection
    if scheme in ("redis", "redis+cluster"):
        return redis.Connection
    if scheme == "fakeredis":
        return _fake()
    raise ValueError(f"{scheme}:// is not supported yet")


def _fake() -> type[Any]:
    if find_spec("fakeredis") is None:
        raise ValueError("fakeredis:// needs fakeredis: pip install 'redis-pool-ext[fakeredis]'")
    from fakeredis import FakeRedisConnection  # optional: only for this scheme

    return FakeRedisConnection
