"""`Server-Timing`, read."""

from __future__ import annotations

import re

_ENTRY = re.compile(r"([\w-]+)(?:;dur=([\d.]+))?")


def timings(header: str) -> dict[str, float]:
    """Return the milliseconds of each entry."""
    return {name: float(dur or 0) for name, dur in _ENTRY.findall(header)}
