"""A folder for the desks of one test, and no desk left in this process."""

from __future__ import annotations

from ..support.desks import no_desk_left, place

__all__ = ["no_desk_left", "place"]
