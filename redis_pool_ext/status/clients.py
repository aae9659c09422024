"""What `CLIENT LIST` tells, by client name and address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["clients_by_name"]


def clients_by_name(
    clients: Iterable[Mapping[str, Any]], own_id: object
) -> Counter[tuple[str, str]]:
    """Count the connections of each (name, address), without the one that asks.

    The name is "" where a client has given none. The address has no port, as each connection has
    one of its own; of a Unix socket it is the path, or "a unix socket".
    """
    return Counter(
        (client.get("name", ""), _host(client))
        for client in clients
        if client.get("id") != str(own_id)
    )


def _host(client: Mapping[str, Any]) -> str:
    address: str = client.get("addr", "")
    return address.rpartition(":")[0] or "a unix socket"
