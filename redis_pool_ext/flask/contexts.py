"""One scope per app context: where it begins, who may prolong it, when it ends.

A context that is pushed while another scope is current (a request in a request, an app
context in a `lease_scope()`) joins that one: one request, one alias, one connection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
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

from ..config import PoolConfig
from ..process import pool_for
from ..scope import Scope, current_scope, enter_scope, leave_scope

__all__ = ["ContextScope", "ContextScopes", "describe"]

_STAY = "_redis_pool_ext_stay"  # on `g`
_PAGE = 64 * 1024  # bytes; no error page is larger


class ContextScope(Scope):
    """A scope that ends with the last of its holders: app contexts, streamed responses."""

    __slots__ = ("_holders",)

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._holders: set[object] = set()

    def hold(self) -> Callable[[], None]:
        """Keep the scope open until the returned function is called; twice is fine."""
        holder = object()
        self._holders.add(holder)

        def let_go() -> None:
            self._holders.discard(holder)
            if not self._holders:
                self.end()

        return let_go


class _Stay:
    """An app context's stay in a scope: its own, or the one that it was pushed into."""

    __slots__ = ("_before", "_let_go", "scope")

    def __init__(self, label: str) -> None:
        self.scope = current_scope() or ContextScope(label)
        self._before: Scope | None = None
        self._let_go: Callable[[], None] | None = None

    def enter(self) -> None:
        """Make the scope current, unless this context is inside already."""
        if self._let_go is None:
            self._before = enter_scope(self.scope)
            self._let_go = _hold(self.scope)

    def leave(self) -> None:
        """Make current what was so before; the scope ends if nobody else holds it."""
        if self._let_go is not None:
            let_go, self._let_go = self._let_go, None
            leave_scope(self._before)
            let_go()


class ContextScopes:
    """The scopes of one app's contexts, kept in step by Flask's signals.

    Signals refer to their receivers weakly: this object must be kept as long as the app.
    """

    def __init__(self, default: PoolConfig | None, label: str) -> None:
        self._default = default
        self._label = label

    def connect(self, app: Flask) -> None:
        """Follow the contexts and requests of `app` from now on."""
        appcontext_pushed.connect(self._pushed, app)
        request_started.connect(self._started, app)
        request_finished.connect(self._finished, app)
        _leave_at_teardown(app)

    def _pushed(self, _app: Flask, **_: Any) -> None:
        """Enter the context's scope; a context can be pushed again after its teardown.

        `stream_with_context` does so, while the scope is held for the response. Flask's
        test client does so in a `with` block, when the scope has ended: a new one then.
        """
        stay: _Stay | None = getattr(g, _STAY, None)
        if stay is None or stay.scope.has_ended:
            stay = _Stay(self._label)
            setattr(g, _STAY, stay)
            if self._default is not None:
                g.redis = stay.scope.client(pool_for(self._default))
        stay.enter()

    def _started(self, _app: Flask, **_: Any) -> None:
        """Name the request; before any before_request function, registered when it may."""
        scope = current_scope()
        if isinstance(scope, ContextScope):
            scope.label = describe(request)
            scope.waits_once = True  # a task in an app context may ask again and again

    def _finished(self, _app: Flask, response: Response, **_: Any) -> None:
        """Let a streamed body keep the lease until the response is closed."""
        scope = current_scope()
        if isinstance(scope, ContextScope) and response.is_streamed:
            _hold_for_body(scope, response)


def _hold_for_body(scope: ContextScope, response: Response) -> None:
    if _is_error_page(response):
        response.make_sequence()
    elif not response.direct_passthrough:
        response.call_on_close(scope.hold())
    elif isinstance(response.response, Generator):
        # Werkzeug hands such a body to the server as it is, and does not close the
        # response around it. Files stay as they are: they need no Redis, and the server
        # must know its own file wrapper again.
        response.response = ClosingIterator(response.response, scope.hold())


def _is_error_page(response: Response) -> bool:
    """Tell a page of known, small size that only looks streamed.

    Flask runs an `HTTPException` (a 404, a 500) as a WSGI app to make it a response.
    """
    size = response.content_length
    return isinstance(response.response, ClosingIterator) and size is not None and size <= _PAGE


def describe(request: Request) -> str:
    """Name a request for warnings and reports, as in `GET /users/<id> (user)`.

    By its rule where there is one: paths may hold tokens, and line breaks.
    """
    rule = request.url_rule
    if rule is None:
        return f"{request.method} {quote(request.path)}"
    return f"{request.method} {rule.rule} ({rule.endpoint})"


def _hold(scope: Scope) -> Callable[[], None]:
    # Any other scope is a `lease_scope()` block around the context, and ends with it.
    return scope.hold() if isinstance(scope, ContextScope) else _nothing


def _nothing() -> None:
    pass


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
