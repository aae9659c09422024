"""Who may see the status page of the pool: whoever sits at this machine.

A project with users needs nothing of this: staff may see it, as Django's admin.
"""

from __future__ import annotations

from django.http import HttpRequest


def is_local(request: HttpRequest) -> bool:
    """Tell whether the browser runs on this machine, with no proxy in between.

    Through a proxy everybody would seem to.
    """
    came_straight = "X-Forwarded-For" not in request.headers
    return came_straight and request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}
