"""What a Redis URL is made of, and how one is shown: without a credential, however malformed."""

from __future__ import annotations

import re

__all__ = ["ADDRESS", "PARTS", "SCHEMES", "SERVICE", "SEVERAL", "hide_secrets", "kind_of"]

# By what is behind a scheme's "+": which argument holds the addresses, and their usual port.
SEVERAL = {"sentinel": ("sentinels", 26379), "cluster": ("startup_nodes", 6379)}

_ONE = ("redis", "rediss", "unix", "fakeredis")
SCHEMES = (*_ONE, *(f"{scheme}+{kind}" for kind in SEVERAL for scheme in ("redis", "rediss")))

# Query values that may be shown; a name that is not here may be a misspelt `password`.
_SHOWN_QUERY = frozenset({
    "db", "decode_responses", "hold", "max_connecting", "max_connections", "max_waiting",
    "protocol", "queue_discipline", "queue_interval", "queue_target", "role",
    "socket_connect_timeout", "socket_timeout", "timeout",
})  # fmt: skip
_HARMLESS_VALUE = re.compile(
    r"[\d.]{1,10}|true|false|yes|no|request|command|master|replica|fifo|codel"
)

ADDRESS = re.compile(r"(?:\[[\da-fA-F:.]+(?:%25[\w.-]+)?\]|[\w.%-]*)(?::\d{0,5})?")
# A Sentinel takes only these signs in the name of what it looks after.
SERVICE = re.compile(r"/([\w.-]+)(?:/(\d{0,9}))?", re.ASCII)
PARTS = re.compile(
    r"([a-z][a-z\d+.-]*://)?([^/?#]*@)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?",
    re.DOTALL | re.IGNORECASE,
)


def hide_secrets(url: str) -> str:
    """Return the URL as it may be shown: server and database, no user and no password.

    Where it cannot be told what is a password (`redis://user:password`, the host
    forgotten; an @ behind the address), nothing is shown; and no query value is that is
    not known to be harmless.
    """
    match = PARTS.fullmatch(url)
    assert match is not None  # the pattern takes every text
    scheme, user, address, path, query, fragment = (part or "" for part in match.groups())
    kind = kind_of(scheme.removesuffix("://"))
    addresses = address.split(",") if kind else [address]
    if "@" in path + query + fragment or not all(map(ADDRESS.fullmatch, addresses)):
        return f"{scheme}***"
    shown = scheme + ("***@" if user else "") + address
    # Without either of these, the end of a password may stand where a service is named.
    is_plain = kind == "sentinel" and (user or len(addresses) > 1)
    is_shown = scheme == "unix://" or re.fullmatch(r"/?\d*", path)
    shown += path if is_shown or (is_plain and SERVICE.fullmatch(path)) else "/***"
    shown += "?" + "&".join(map(_hide_parameter, query.split("&"))) if query else ""
    return shown + ("#***" if fragment else "")


def _hide_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not (equals and name.isidentifier()):
        return "***"  # the rest of a password with & in it, perhaps
    is_harmless = name in _SHOWN_QUERY and _HARMLESS_VALUE.fullmatch(value)
    return parameter if is_harmless else f"{name}=***"


def kind_of(scheme: str) -> str:
    """Return what is behind the + of a scheme; nothing where there is none."""
    return scheme.partition("+")[2].lower()
