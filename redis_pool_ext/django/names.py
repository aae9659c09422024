"""How requests and views are called in log lines and reports."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

__all__ = ["name_of_request", "name_of_view"]


def name_of_request(request: HttpRequest) -> str:
    """Return "GET /path", fit for a log: escaped, and without the query."""
    # A path may contain a line break (%0A), which would forge a log line.
    path = request.path.encode("unicode_escape").decode("ascii")
    return f"{request.method} {path}"


def name_of_view(view: Any) -> str:
    """Return "module.view", for class-based views the class."""
    view = getattr(view, "view_class", view)
    named = view if hasattr(view, "__name__") else type(view)
    return f"{named.__module__}.{named.__name__}"
