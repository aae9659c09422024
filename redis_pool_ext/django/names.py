"""How requests and views are called in log lines and reports."""

from __future__ import annotations

import weakref
from typing import Any

from django.http import HttpRequest

from ..http import method_shown

__all__ = ["RequestName", "name_of_request"]

_OVER = "a request that is over"


class RequestName(weakref.ref[HttpRequest]):
    """A request's name, "GET /path (module.view)", put together when a report needs it.

    Weak, because the request has the client that is named after it: otherwise each
    request would wait for the garbage collector.
    """

    __slots__ = ()

    def __str__(self) -> str:
        request = self()
        if request is None:
            return _OVER
        name, match = name_of_request(request), request.resolver_match
        return name if match is None else f"{name} ({_name_of_view(match.func)})"

    @property
    def kind(self) -> str:
        """What all requests of its view are called: "GET /users/<int:id>/ (module.view)".

        By the route, as the path has ids and tokens in it.
        """
        request = self()
        if request is None:
            return _OVER
        method, match = method_shown(request.method), request.resolver_match
        if match is None:  # a middleware has the connection, or there is no such page
            return f"{method} without a view"
        return f"{method} {_rooted(match.route)} ({_name_of_view(match.func)})"


def name_of_request(request: HttpRequest) -> str:
    """Return "GET /path", fit for a log: escaped, and without the query."""
    # A path may contain a line break (%0A), which would forge a log line.
    path = request.path.encode("unicode_escape").decode("ascii")
    return f"{request.method} {path}"


def _rooted(route: str) -> str:
    """Return a route as a path; one that begins with a regular expression stays as it is."""
    return route if route.startswith(("/", "^")) else f"/{route}"


def _name_of_view(view: Any) -> str:
    """Return "module.view", for class-based views the class."""
    view = getattr(view, "view_class", view)
    named = view if hasattr(view, "__name__") else type(view)
    return f"{named.__module__}.{named.__name__}"
