"""Reading a Redis URL: which connection class, which address, what the query asks for.

Whatever is said about a URL here is free of credentials, however malformed it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ..url_grammar import ADDRESS, PARTS, SCHEMES, SERVICE, SEVERAL, kind_of
from .schemes import class_for

__all__ = ["Address", "ParsedUrl", "example_for", "read_url"]

Address = tuple[str, int]  # host, port

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
    options = _read_address(parts) | (_read_addresses(each) if kind_of(scheme) else {})
    return ParsedUrl(
        connection_class=class_for(scheme), options=options, query=_read_query(parts.query)
    )


def example_for(url: str) -> str:
    """Return how such a URL is written, for whoever wrote it differently."""
    scheme = url.partition("://")[0].lower()
    scheme = scheme if scheme in SCHEMES else "redis"
    several = SEVERAL.get(kind_of(scheme))
    if several is None:
        return "redis://user:password@host:6379/0"
    path = "/mymaster/0" if several[0] == "sentinels" else ""
    return f"{scheme}://user:password@host1:{several[1]},host2:{several[1]}{path}"


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None when its address is not one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # not passed on: its text may quote the password
        return None
    address = parts.netloc.rpartition("@")[2]
    cut_short = "@" in parts.path + parts.query + parts.fragment
    return None if port == 0 or cut_short or not ADDRESS.fullmatch(address) else parts


def _split_each(url: str) -> list[SplitResult]:
    """Return the parts of a URL, once for each of its addresses. Raises `ValueError`."""
    match = PARTS.fullmatch(url)
    assert match is not None  # the pattern takes every text
    is_list = bool(kind_of(url.partition("://")[0]))
    begin, end = match.span(3)
    addresses = match[3].split(",") if is_list else [match[3]]
    each = [_split(url[:begin] + address + url[end:]) for address in addresses]
    found = [parts for parts in each if parts is not None]
    # With two @ in a list, user:password@ stands before each address, most likely.
    if len(found) < len(each) or (is_list and match[2] and match[2].count("@") > 1):
        raise ValueError(_ENCODE_SEVERAL if is_list else _ENCODE)
    return found


def _check_path(parts: SplitResult) -> None:
    if parts.scheme == "unix":
        if parts.netloc.rpartition("@")[2] or len(parts.path) <= 1:
            raise ValueError("a unix:// URL is the path of a socket, as in unix:///run/redis.sock")
    elif kind_of(parts.scheme) == "sentinel":
        # A number alone is a database, and the name before it was forgotten.
        if not SERVICE.fullmatch(parts.path) or parts.path[1:].isdecimal():
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
    elif not kind_of(parts.scheme):
        found["host"] = parts.hostname
    options: dict[str, Any] = {name: _decode(text) for name, text in found.items() if text}
    if parts.port is not None and not kind_of(parts.scheme):
        options["port"] = parts.port
    return options | _read_path(parts)


def _read_path(parts: SplitResult) -> dict[str, Any]:
    """Return what stands in the path: the database, and the name of a service before it."""
    options: dict[str, Any] = {}
    service, number = "", parts.path[1:]
    if kind_of(parts.scheme) == "sentinel":
        service, _, number = number.partition("/")
        options["service_name"] = service
    if number and parts.scheme != "unix":
        options["db"] = int(number)
    return options


def _read_addresses(each: list[SplitResult]) -> dict[str, tuple[Address, ...]]:
    """Return the addresses as one argument, in the order in which they are written."""
    argument, usual_port = SEVERAL[kind_of(each[0].scheme)]
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
