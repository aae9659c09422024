"""How requests and views are called in log lines and reports."""

from __future__ import annotations

import weakref
from typing import Any

from django.http import HttpRequest

__all__ = ["RequestName", "name_of_request"]


class RequestName(weakref.ref[HttpRequest]):
    """A request's name, "GET /path (module.view)", put together when a report needs it.

    Weak, because the request has the client that is named after it: otherwise each
    request would wait for the garbage collector.
    """

    __slots__ = ()

    def __str__(self) -> str:
        request = self()
        if request is None:
            return "a request that is over"
        name, match = name_of_request(request), request.resolver_match
        return name if match is None else f"{name} ({_name_of_view(match.func)})"


def name_of_request(request: HttpRequest) -> str:
    """Return "GET /path", fit for a log: escaped, and without the query."""
    # A path may contain a line break (%0A), which would forge a log line.
    path = request.path.encode("unicode_escape").decode("ascii")
    return f"{request.method} {path}"


def _name_of_view(view: Any) -> str:
    """Return "module.view", for class-based views the class."""
    view = getattr(view, "view_class", view)
    named = view if hasattr(view, "__name__") else type(view)
    return f"{named.__module__}.{named.__name__}"
