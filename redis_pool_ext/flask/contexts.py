"""One scope per app context: where it begins, who may prolong it, when it ends.

A context that is pushed while another scope is current (a request in a request, an app
context in a `lease_scope()`) joins that one: one request, one alias, one connection.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any
from urllib.parse import quote

from flask import (
    Flask,
    Request,
    Response,
    appcontext_pushed,
    g,
    request,
    request_finished,
    request_started,
)
from werkzeug.wsgi import ClosingIterator

from ..lazy import LazyRedis
from ..scope import Scope, current_scope, enter_scope, leave_scope
from .state import EXTENSION, AppState

__all__ = ["describe", "follow"]

_STAY = "_redis_pool_ext_stay"  # on `g`
_PAGE = 64 * 1024  # bytes; no error page is larger


class ContextScope(Scope):
    """A scope that ends with the last of its holders: app contexts, streamed responses."""

    __slots__ = ("_holders",)

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._holders: set[object] = set()

    def hold(self) -> object:
        """Keep the scope open until `let_go` is called with what this returns."""
        holder = object()
        self._holders.add(holder)
        return holder

    def let_go(self, holder: object) -> None:
        """End the scope, if nobody else holds it; twice is fine."""
        self._holders.discard(holder)
        if not self._holders:
            self.end()


class _Stay:
    """An app context's stay in a scope: its own, or the one that it was pushed into."""

    __slots__ = ("_before", "_holder", "scope")

    def __init__(self, label: str) -> None:
        self.scope = current_scope() or ContextScope(label)
        self._before: Scope | None = None
        self._holder: object | None = None

    def enter(self) -> None:
        """Make the scope current, unless this context is inside already."""
        if self._holder is None:
            self._before = enter_scope(self.scope)
            self._holder = _hold(self.scope)

    def leave(self) -> None:
        """Make current what was so before; the scope ends if nobody else holds it."""
        if self._holder is not None:
            holder, self._holder = self._holder, None
            leave_scope(self._before)
            if isinstance(self.scope, ContextScope):
                self.scope.let_go(holder)


def follow(app: Flask) -> None:
    """Keep scopes in step with the contexts and requests of `app` from now on."""
    # Signals refer to their receivers weakly; functions of a module stay.
    appcontext_pushed.connect(_pushed, app)
    request_started.connect(_started, app)
    request_finished.connect(_finished, app)
    _leave_at_teardown(app)


def _pushed(app: Flask, **_: Any) -> None:
    """Enter the context's scope; a context can be pushed again after its teardown.

    `stream_with_context` does so, while the scope is held for the response. Flask's
    test client does so in a `with` block, when the scope has ended: a new one then.
    """
    own = g._get_current_object()  # the proxy is slow
    stay: _Stay | None = own.get(_STAY)
    if stay is None or stay.scope.has_ended:
        state: AppState = app.extensions[EXTENSION]
        stay = _Stay(state.label)
        setattr(own, _STAY, stay)
        if state.find_default is not None:
            own.redis = LazyRedis(stay.scope, state.find_default)
    stay.enter()


def _started(_app: Flask, **_: Any) -> None:
    """Name the request; before any before_request function, registered when it may."""
    scope = current_scope()
    if isinstance(scope, ContextScope):
        # A task in an app context may wait again and again, a request may not.
        scope.begin_request(RequestName(request._get_current_object()))  # type: ignore[attr-defined]


def _finished(_app: Flask, response: Response, **_: Any) -> None:
    """Let a streamed body keep the lease until the response is closed."""
    if response.is_streamed:
        scope = current_scope()
        if isinstance(scope, ContextScope):
            _hold_for_body(scope, response)


def _hold_for_body(scope: ContextScope, response: Response) -> None:
    if _is_error_page(response):
        response.make_sequence()
    elif not response.direct_passthrough:
        response.call_on_close(partial(scope.let_go, scope.hold()))
    elif isinstance(response.response, Generator):
        # Werkzeug hands such a body to the server as it is, and does not close the
        # response around it. Files stay as they are: they need no Redis, and the server
        # must know its own file wrapper again.
        let_go = partial(scope.let_go, scope.hold())
        response.response = ClosingIterator(response.response, let_go)


def _is_error_page(response: Response) -> bool:
    """Tell a page of known, small size that only looks streamed.

    Flask runs an `HTTPException` (a 404, a 500) as a WSGI app to make it a response.
    """
    size = response.content_length
    return isinstance(response.response, ClosingIterator) and size is not None and size <= _PAGE


class RequestName:
    """A request's name for warnings and reports, put together when there is one."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def __str__(self) -> str:
        return describe(self._request)


def describe(request: Request) -> str:
    """Name a request for warnings and reports, as in `GET /users/<id> (user)`.

    By its rule where there is one: paths may hold tokens, and line breaks.
    """
    rule = request.url_rule
    if rule is None:
        return f"{request.method} {quote(request.path)}"
    return f"{request.method} {rule.rule} ({rule.endpoint})"


def _hold(scope: Scope) -> object:
    # Any other scope is a `lease_scope()` block around the context, and ends with it.
    return scope.hold() if isinstance(scope, ContextScope) else "the block"


def _leave_at_teardown(app: Flask) -> None:
    """Leave the scope after all teardown functions of `app` have run.

    Wrapped, not registered with `teardown_appcontext`: Flask calls no further function
    after one that raises. The connection would stay out, and this thread's next request
    would join the scope of this one.
    """
    teardown = app.do_teardown_appcontext

    def do_teardown_appcontext(*args: Any, **kwargs: Any) -> None:
        try:
            teardown(*args, **kwargs)
        finally:
            stay: _Stay | None = getattr(g, _STAY, None)
            if stay is not None:
                stay.leave()

    app.do_teardown_appcontext = do_teardown_appcontext  # type: ignore[method-assign]
