"""How numbers and holders read, in tables and in lines."""

from __future__ import annotations

from typing import Any

__all__ = ["exhaustion", "holder_line", "largest_share", "many", "reasons", "time"]


def time(seconds: float, least: float = 0.0001) -> str:
    """Say a time shortly: 0, 0.4 ms, 12 ms, 1.5 s, 3 min.

    Below `least` it is nothing: so short is the first bucket of a `Histogram`.
    """
    if seconds < least:
        return "0"
    if seconds < 0.0995:
        return f"{seconds * 1e3:.2g} ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def many(number: int, one: str, more: str | None = None) -> str:
    """Say a number of things."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def reasons(refused: dict[str, int]) -> str:
    """Say how requests ended that got no connection, as in "timed out 3, queue full 1"."""
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in refused.items())


def largest_share(shares: dict[str, float]) -> str:
    """Say who has had the largest part of all holding; nothing where nobody was seen."""
    for kind, share in shares.items():
        return f"{kind} holds {share:.0%} of the time"
    return ""


def holder_line(holder: dict[str, Any]) -> str:
    """Say who has a connection, since when, and what it was last used for."""
    command = holder["last_command"] or "none"
    return f"{holder['name']} for {time(holder['seconds'])} (last command: {command})"


def exhaustion(total: dict[str, Any]) -> str:
    """Say that a pool is too small, or was, and who holds it; nothing where it is not."""
    refused = total["last_minute"]["refused"]
    if not (total["exhausted"] or refused):
        return ""
    said = [f"{total['in_use']} of {total['max_connections']} connections are in use"]
    if total["exhausted"] < total["processes"] and total["exhausted"]:
        said.append(f"all of them in {total['exhausted']} of {total['processes']} processes")
    if total["waiting"]:
        said.append(f"{total['waiting']} wait")
    if refused:
        said.append(f"{refused:,} refused in the last minute")
    who = largest_share(total["shares"])
    if not who and total["holders"]:
        who = f"held longest by {holder_line(total['holders'][0])}"
    return f'pool "{total["alias"]}": {", ".join(said)}' + (f"; {who}" if who else "")
