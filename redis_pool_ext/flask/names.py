"""What a request is called in warnings, reports and totals."""

from __future__ import annotations

from urllib.parse import quote

from flask import Request, request

from ..http import method_shown

__all__ = ["RequestName", "describe", "name_request"]


class RequestName:
    """A request's name for warnings and reports, put together when there is one."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def __str__(self) -> str:
        return describe(self._request)

    def is_of(self, other: RequestName) -> bool:
        """Tell whether both name the same request."""
        return self._request is other._request

    @property
    def kind(self) -> str:
        """What all requests of its view are called: "GET /users/<id> (user)"."""
        request = self._request
        rule, method = request.url_rule, method_shown(request.method)
        if rule is None:
            return f"{method} without a view"
        return f"{method} {rule.rule} ({rule.endpoint})"


def name_request() -> RequestName:
    """Return the name of the running request."""
    return RequestName(request._get_current_object())  # type: ignore[attr-defined]


def describe(request: Request) -> str:
    """Name a request for warnings and reports, as in `GET /users/<id> (user)`.

    By its rule where there is one: paths may hold tokens, and line breaks.
    """
    rule = request.url_rule
    if rule is None:
        return f"{request.method} {quote(request.path)}"
    return f"{request.method} {rule.rule} ({rule.endpoint})"
