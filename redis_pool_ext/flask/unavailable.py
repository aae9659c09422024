"""503 where there is no connection to be had; the project's own page first."""

from __future__ import annotations

import logging

from flask import Flask, Response, current_app, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.http import parse_accept_header

from ..errors import ANSWERED_WITH_503, RedisPoolError
from ..http import MEDIA_TYPES, answer, media_type_by, seconds_of
from .names import describe

__all__ = ["RedisUnavailable", "register"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

_LOGGED = "redis_pool_ext.logged"  # in the WSGI environment: there is one per request


class RedisUnavailable(ServiceUnavailable):
    """What a project's handler for 503 is given; `original_exception` is the pool's error."""

    def __init__(self, error: RedisPoolError) -> None:
        super().__init__(retry_after=seconds_of(error))
        self.original_exception = error
        self.__cause__: BaseException | None = error


def register(app: Flask) -> None:
    """Answer 503 for `app`, except where it has a handler of its own for these errors."""
    for error_class in ANSWERED_WITH_503:
        if error_class not in app.error_handler_spec[None][None]:
            app.register_error_handler(error_class, _handle)
    _catch_outside_of_dispatch(app)


def _handle(error: RedisPoolError) -> ResponseReturnValue:
    # Not registered for RedisPoolError itself: mistakes in leases are not ours to answer.
    # A project's handler for it must still win, though Flask found this one first.
    theirs = current_app.error_handler_spec[None][None].get(RedisPoolError)
    if theirs is not None:
        return current_app.ensure_sync(theirs)(error)  # type: ignore[no-any-return]
    _log(error)
    return _complete(_project_page(error), error)


def _complete(page: Response | None, error: RedisPoolError) -> Response:
    """Return the project's page with what a 503 needs, or else the built-in one."""
    built_in = answer(error, _media_type(request.environ.get("HTTP_ACCEPT", "")))
    if page is None:
        page = current_app.response_class(
            built_in.body, built_in.status, content_type=built_in.content_type
        )
    for name, value in built_in.headers.items():
        page.headers.setdefault(name, value)
    return page


@media_type_by
def _media_type(accept: str) -> str | None:
    return parse_accept_header(accept, MIMEAccept).best_match(MEDIA_TYPES, default="text/plain")


def _project_page(error: RedisPoolError) -> Response | None:
    """Return what the project's own handler for 503 says; None when it has none."""
    if not _has_project_page():
        return None
    try:
        page = current_app.handle_http_exception(RedisUnavailable(error))
        return current_app.make_response(page)
    except ANSWERED_WITH_503:  # the page itself asked Redis for something
        return None


def _has_project_page() -> bool:
    """Look for a handler of 503 or of HTTP errors; one of any `Exception` is not meant."""
    handlers = current_app.error_handler_spec
    return any(
        ServiceUnavailable in handlers[name][503] or HTTPException in handlers[name][None]
        for name in (*request.blueprints, None)
    )


def _log(error: RedisPoolError) -> None:
    """Note it, once per request: a refused one may be refused again when its session is saved."""
    if _LOGGED not in request.environ:
        request.environ[_LOGGED] = True
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s: answered 503 to %s: %s", error.alias, describe(request), error)


# -- the seam ------------------------------------------------------------------------------


def _catch_outside_of_dispatch(app: Flask) -> None:
    """Answer 503 also where Flask does not look for error handlers.

    Opening and saving the session, and after_request functions, run outside of the `try`
    in `full_dispatch_request`: their errors go to `handle_exception`, which knows 500
    only, and raises under `TESTING`.
    """
    handle_exception = app.handle_exception

    def handle_exception_or_503(e: Exception) -> Response:
        if not isinstance(e, ANSWERED_WITH_503):
            return handle_exception(e)
        _drop_session(app)
        return app.finalize_request(_handle_outside(app, e), from_error_handler=True)

    app.handle_exception = handle_exception_or_503  # type: ignore[method-assign]


def _handle_outside(app: Flask, error: RedisPoolError) -> ResponseReturnValue:
    try:
        return app.handle_user_exception(error)
    except ANSWERED_WITH_503:  # a handler of the project asked Redis for something
        _log(error)
        return _complete(None, error)


def _drop_session(app: Flask) -> None:
    """Let the session not be saved (again): it would wait for a connection once more."""
    context = request_ctx._get_current_object()  # type: ignore[attr-defined]
    name = "_session" if hasattr(context, "_session") else "session"  # before Flask 3.1
    setattr(context, name, app.session_interface.make_null_session(app))
