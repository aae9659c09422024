"""`REDIS_POOL_SERVER_TIMING`: around what comes after the middleware, where it is switched on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..config import ConfigError
from ..web.server_timing import (
    HEADER,
    SETTING,
    Timing,
    begin_timing,
    end_timing,
    wants_timing,
    with_timing,
)

__all__ = ["timed"]

GetResponse = Callable[[HttpRequest], Any]


def timed(get_response: GetResponse) -> GetResponse:
    """Return `get_response`, with the header on what it returns if the setting asks for it.

    Raises `ImproperlyConfigured` for a setting that is neither True nor False.
    """
    try:
        if not wants_timing(lambda name, default: getattr(settings, name, default), SETTING):
            return get_response
    except ConfigError as error:
        raise ImproperlyConfigured(str(error)) from error
    return _timed_async(get_response) if iscoroutinefunction(get_response) else _timed(get_response)


def _timed(get_response: GetResponse) -> GetResponse:
    def answer(request: HttpRequest) -> HttpResponseBase:
        timing, before = begin_timing()
        try:
            response: HttpResponseBase = get_response(request)
        finally:
            end_timing(before)
        return _signed(response, timing)

    return answer


def _timed_async(get_response: GetResponse) -> GetResponse:
    async def answer(request: HttpRequest) -> HttpResponseBase:
        timing, before = begin_timing()
        try:
            response: HttpResponseBase = await get_response(request)
        finally:
            end_timing(before)
        return _signed(response, timing)

    return markcoroutinefunction(answer)


def _signed(response: HttpResponseBase, timing: Timing) -> HttpResponseBase:
    response.headers[HEADER] = with_timing(response.headers.get(HEADER), timing)
    return response
