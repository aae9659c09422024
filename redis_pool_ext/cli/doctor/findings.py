"""A finding: what was looked at, what was found, in numbers, and the way out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["ERROR", "LEVELS", "NOTE", "OK", "WARNING", "Finding"]

OK, NOTE, WARNING, ERROR = LEVELS = ("ok", "note", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`check` is stable; `about` a server, or the alias of a pool; None for all together.

    A note is no fault: something to know, or that nobody may look at. A warning will hurt
    under load, an error hurts now or with certainty.
    """

    check: str
    level: str
    about: str | None
    text: str
    way_out: str | None = None
    numbers: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)
