"""One scope per app context that uses Redis: where it begins, who may prolong it, when it ends.

It is made when the context first asks for a client. A context in which another scope is
current already (a request in a request, an app context in a `lease_scope()`) is in that
one: one request, one alias, one connection.
"""

from __future__ import annotations

from collections.abc import Generator
from contextvars import ContextVar
from functools import partial
from typing import Any
from urllib.parse import quote

from flask import (
    Flask,
    Request,
    Response,
    g,
    has_request_context,
    request,
)
from werkzeug.wsgi import ClosingIterator

from ..budget import Budget
from ..http import method_shown
from ..request_policy import RequestPolicy
from ..scope import Scope, current_scope, enter_scope, entered_scope, leave_scope
from .on_g import take_off_g
from .state import AppState, find_state

__all__ = ["describe", "follow", "scope_of_current_context"]

# On `g`, which there is one of for each app context.
_SCOPE = "_redis_pool_ext_scope"
_LEFT = "_redis_pool_ext_left"

_PAGE = 64 * 1024  # bytes; no error page is larger

# What the last teardown in this thread or task left on its `g`.
_left: ContextVar[object] = ContextVar("redis_pool_ext_left", default=None)


class ContextScope(Scope):
    """A scope that ends with its app context, or later, with the last streamed response."""

    __slots__ = ("_before", "_bodies", "_is_entered")

    def __init__(self, label: object, *, waits_once: bool, budget: Budget | None = None) -> None:
        super().__init__(label, waits_once=waits_once, budget=budget)
        self._before: Scope | None = None
        self._bodies: set[object] = set()
        self._is_entered = False

    def enter(self) -> None:
        """Make it current, unless that is so already."""
        if not self._is_entered:
            self._is_entered = True
            self._before = enter_scope(self)

    def leave(self) -> None:
        """Make current what was so before; the scope ends if no response holds it."""
        if self._is_entered:
            self._is_entered = False
            leave_scope(self._before)
            self._before = None
            if not self._bodies:
                self.end()

    def hold(self) -> object:
        """Keep the scope open until `let_go` is called with what this returns."""
        body = object()
        self._bodies.add(body)
        return body

    def let_go(self, body: object) -> None:
        """End the scope, if it is not current and nobody else holds it; twice is fine."""
        self._bodies.discard(body)
        if not self._bodies and not self._is_entered:
            self.end()


def follow(app: Flask, requests: RequestPolicy) -> None:
    """Keep scopes in step with the contexts and requests of `app` from now on.

    By methods that are wrapped: a signal costs every request more than all of this.
    """
    _name_at_start(app, requests)
    _hold_at_finish(app)
    _leave_at_teardown(app)


def _name_at_start(app: Flask, requests: RequestPolicy) -> None:
    """Give the scope of an outer app context the name and budget of each request in it."""
    start = app.preprocess_request

    def preprocess_request(*args: Any, **kwargs: Any) -> Any:
        scope = entered_scope()
        if isinstance(scope, ContextScope):
            scope.begin_request(_name_request(), requests.new_budget())
        return start(*args, **kwargs)

    app.preprocess_request = preprocess_request  # type: ignore[method-assign]


def _hold_at_finish(app: Flask) -> None:
    """Let a streamed body keep the lease until the response is closed."""
    finish = app.process_response

    def process_response(*args: Any, **kwargs: Any) -> Response:
        response = finish(*args, **kwargs)
        if response.is_streamed:
            scope = current_scope()
            if isinstance(scope, ContextScope):
                _hold_for_body(scope, response)
        return response

    app.process_response = process_response  # type: ignore[method-assign]


def _leave_at_teardown(app: Flask) -> None:
    """Leave the scope after all teardown functions of `app` have run.

    Not registered with `teardown_appcontext`: Flask calls no further function after one
    that raises. The connection would stay out, and this thread's next request would join
    the scope of this one.
    """
    teardown = app.do_teardown_appcontext

    def do_teardown_appcontext(*args: Any, **kwargs: Any) -> None:
        try:
            teardown(*args, **kwargs)
        finally:
            _leave(vars(g._get_current_object()))  # the proxy is slow

    app.do_teardown_appcontext = do_teardown_appcontext  # type: ignore[method-assign]


def _leave(own: dict[str, Any]) -> None:
    left = own[_LEFT] = object()
    _left.set(left)
    take_off_g(own)
    scope: ContextScope | None = own.get(_SCOPE)
    if scope is not None:
        scope.leave()


def scope_of_current_context() -> Scope | None:
    """Return the scope of the current app context, made if it has none yet.

    None outside of a context of one of our apps, and where nobody would end what is made.
    """
    state = find_state()
    if state is None:
        return None
    own = vars(g._get_current_object())  # the proxy is slow
    is_over = _is_over(own)
    scope: ContextScope | None = own.get(_SCOPE)
    if scope is not None and scope.has_ended:  # the context was pushed again
        scope.leave()
        own.pop(_SCOPE, None)
        scope = None
    if scope is None and not is_over:
        # setdefault: of two threads that race here, both get the first one's. One that races
        # with the teardown keeps its lease for as long as it keeps its copy of the context.
        scope = own.setdefault(_SCOPE, _make(state))
    if scope is None or scope.is_inherited:
        return None
    if not is_over:
        scope.enter()
    return scope


def _make(state: AppState) -> ContextScope:
    # A task in an app context may wait again and again, a request may not.
    if has_request_context():
        budget = state.requests.new_budget()
        return ContextScope(_name_request(), waits_once=True, budget=budget)
    return ContextScope(state.label, waits_once=False)


def _is_over(own: dict[str, Any]) -> bool:
    """Tell whether this is a copy of a context after whose teardown no other one comes.

    A task that outlives its request has one. But a context can be pushed again after its
    teardown, in the same place: `stream_with_context` does so, and Flask's test client in
    a `with` block.
    """
    left = own.get(_LEFT)
    return left is not None and left is not _left.get()


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

    @property
    def kind(self) -> str:
        """What all requests of its view are called: "GET /users/<id> (user)"."""
        request = self._request
        rule, method = request.url_rule, method_shown(request.method)
        if rule is None:
            return f"{method} without a view"
        return f"{method} {rule.rule} ({rule.endpoint})"


def _name_request() -> RequestName:
    return RequestName(request._get_current_object())  # type: ignore[attr-defined]


def describe(request: Request) -> str:
    """Name a request for warnings and reports, as in `GET /users/<id> (user)`.

    By its rule where there is one: paths may hold tokens, and line breaks.
    """
    rule = request.url_rule
    if rule is None:
        return f"{request.method} {quote(request.path)}"
    return f"{request.method} {rule.rule} ({rule.endpoint})"
