"""One scope per app context that uses Redis: where it begins, who may prolong it, when it ends.

It is made when the context first asks for a client. A context in which another scope is
current already (a request in a request, an app context in a `lease_scope()`) is in that
one: one request, one alias, one connection.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any

from flask import (
    Flask,
    Response,
    g,
    has_request_context,
)
from werkzeug.wsgi import ClosingIterator

from ..budget import Budget
from ..scope import Scope, current_scope, enter_scope, entered_scope, leave_scope
from ..web.request_policy import RequestPolicy
from .names import RequestName, name_request
from .on_g import choice_kept, take_off_g
from .state import AppState, find_state

__all__ = ["follow", "scope_of_current_context"]

# On `g`, which there is one of for each app context.
_SCOPE = "_redis_pool_ext_scope"
_LEFT = "_redis_pool_ext_left"

_PAGE = 64 * 1024  # bytes; no error page is larger

# What the last teardown in this thread or task left on its `g`.
_left: ContextVar[object] = ContextVar("redis_pool_ext_left", default=None)

# Whether a request is being answered right here; one that comes then is within it.
_is_serving: ContextVar[bool] = ContextVar("redis_pool_ext_serving", default=False)


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

    def is_named(self, name: RequestName) -> bool:
        """Tell whether it is that request's, and has its budget."""
        return isinstance(self._label, RequestName) and self._label.is_of(name)

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
    _begin_and_end(app, requests)
    _hold_at_finish(app)
    _leave_at_teardown(app)


def _begin_and_end(app: Flask, requests: RequestPolicy) -> None:
    """Give the scope of an outer app context the name and budget of each request in it.

    One within a request is a part of that one, and what its view says holds to its own end.
    """
    dispatch = app.full_dispatch_request

    def full_dispatch_request(*args: Any, **kwargs: Any) -> Response:
        if _is_serving.get():
            with _apart():
                return dispatch(*args, **kwargs)
        _is_serving.set(True)
        try:
            _begin(requests)
            return dispatch(*args, **kwargs)
        finally:
            _is_serving.set(False)

    app.full_dispatch_request = full_dispatch_request  # type: ignore[method-assign]


def _begin(requests: RequestPolicy) -> None:
    scope = entered_scope()
    if isinstance(scope, ContextScope):
        name = name_request()
        if not scope.is_named(name):  # else made by this request: its session was opened
            scope.begin_request(name, requests.new_budget())


@contextmanager
def _apart() -> Generator[None, None, None]:
    """Let what a view says of itself in here hold for nobody else."""
    scope = current_scope()
    with choice_kept(), nullcontext() if scope is None else scope.apart():
        yield


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
        return ContextScope(name_request(), waits_once=True, budget=budget)
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
        body: Any = response.response
        response.response = ClosingIterator(body, let_go)


def _is_error_page(response: Response) -> bool:
    """Tell a page of known, small size that only looks streamed.

    Flask runs an `HTTPException` (a 404, a 500) as a WSGI app to make it a response.
    """
    size = response.content_length
    return isinstance(response.response, ClosingIterator) and size is not None and size <= _PAGE
