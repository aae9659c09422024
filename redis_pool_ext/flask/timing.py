"""`REDIS_POOL_SERVER_TIMING`: around an app's requests, where it is switched on."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from ..web.server_timing import (
    HEADER,
    SETTING,
    Timing,
    begin_timing,
    end_timing,
    wants_timing,
    with_timing,
)

__all__ = ["follow"]

_TIMING = "redis_pool_ext.timing"  # in the WSGI environment: there is one per request


def follow(app: Flask) -> None:
    """Send the header with all responses of `app`, if its config asks for it.

    Raises `ConfigError` for a setting that is neither True nor False.
    """
    if wants_timing(app.config.get, f"app.config[{SETTING!r}]"):
        _begin_with_dispatch(app)
        _sign_at_finish(app)


def _begin_with_dispatch(app: Flask) -> None:
    dispatch = app.full_dispatch_request

    def full_dispatch_request(*args: Any, **kwargs: Any) -> Response:
        timing, before = begin_timing()
        request.environ[_TIMING] = timing
        try:
            return dispatch(*args, **kwargs)
        finally:
            end_timing(before)

    app.full_dispatch_request = full_dispatch_request  # type: ignore[method-assign]


def _sign_at_finish(app: Flask) -> None:
    """Write it last: functions that run after a request, and saved sessions, may use Redis."""
    finish = app.finalize_request

    def finalize_request(*args: Any, **kwargs: Any) -> Response:
        response = finish(*args, **kwargs)
        timing: Timing | None = request.environ.get(_TIMING)
        if timing is not None:
            response.headers[HEADER] = with_timing(response.headers.get(HEADER), timing)
        return response

    app.finalize_request = finalize_request  # type: ignore[method-assign]
