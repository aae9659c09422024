"""Which projects this process serves, told by what their settings have in common.

A command that has connected to nothing yet, and a worker that has used one pool of three, have
the same settings; so that is what they know each other by. Only names and addresses go into it:
no size (a worker may have its own from the environment), and nothing that is secret.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from ..config import PoolConfig
from ..pooling.base import PoolBase, all_pools
from ..process import configs

__all__ = ["address_of", "announce", "identity_of", "projects"]

# By who they are of, an application say: one process may serve several.
_announced: weakref.WeakKeyDictionary[Any, Mapping[str, PoolConfig]] = weakref.WeakKeyDictionary()


def announce(owner: object, pools: Mapping[str, PoolConfig]) -> None:
    """Note that this process serves `owner`, which has these pools; for as long as it is there."""
    _announced[owner] = pools


def projects() -> list[str]:
    """Return the identity of each set of pools that is configured in this process.

    Where nothing is configured, that of the pools which were made by hand.
    """
    sets = [known for known in (configs(), *list(_announced.values())) if known]
    return sorted({identity_of(known) for known in sets}) or [_identity(_names_of(all_pools()))]


def identity_of(pools: Mapping[str, PoolConfig]) -> str:
    """Return what processes have in common that have these settings."""
    return _identity(
        f"{alias} {address_of(config.options, config.connection_class)}"
        for alias, config in pools.items()
    )


def _names_of(pools: Iterable[PoolBase]) -> Iterable[str]:
    return (
        f"{each.alias} {address_of(each.connection_kwargs, each.connection_class)}"
        for each in pools
    )


def _identity(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(names))).encode()).hexdigest()[:16]


def address_of(arguments: Mapping[str, Any], connection_class: type[Any]) -> str:
    """Return where connections with these arguments go to, as a URL without user and password."""
    s = "s" if "SSL" in connection_class.__name__ else ""
    db = arguments.get("db") or 0
    if "startup_nodes" in arguments:
        return f"redis{s}+cluster://{_listed(arguments['startup_nodes'])}"
    if "service_name" in arguments:
        nodes = _listed(arguments.get("sentinels", ()))
        return f"redis{s}+sentinel://{nodes}/{arguments['service_name']}/{db}"
    if arguments.get("path"):
        return f"unix://{arguments['path']}?db={db}"
    host = str(arguments.get("host", "localhost"))
    host = f"[{host}]" if ":" in host else host
    return f"redis{s}://{host}:{arguments.get('port', 6379)}/{db}"


def _listed(addresses: Iterable[tuple[str, int]]) -> str:
    return ",".join(f"{host}:{port}" for host, port in addresses)
