"""`manage.py check`: names in the settings that are nearly ours, so that nobody reads them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from ..status.policy import SETTING as HEALTH
from ..web.request_policy import BUDGET, EAGER
from ..web.server_timing import SETTING as TIMING
from .deployment import THREADS
from .handover import SETTING

__all__ = ["KNOWN", "check_names"]

# The last one is spelt out: the module of the status page looks for its guard as it is imported.
KNOWN = (SETTING, BUDGET, EAGER, HEALTH, TIMING, THREADS, "REDIS_POOL_STATUS_GUARD")

# How alike two names have to be: a project may have others of its own that begin alike.
_ALIKE = 0.85


def check_names(**_: Any) -> list[CheckMessage]:
    """Report a setting that is called nearly as one of ours, where that one is not set."""
    missing = [name for name in KNOWN if not hasattr(settings, name)]
    return [
        Warning(
            f"{name}: is not a setting, and nothing reads it",
            hint=f"did you mean {near[0]!r}? If it is for something else, silence this check",
            id="redis_pool_ext.W010",
        )
        for name in dir(settings)
        if name.startswith("REDIS")
        and name not in KNOWN
        and (near := get_close_matches(name, missing, 1, _ALIKE))
    ]
