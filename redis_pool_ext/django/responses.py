"""The 503: the project's own page if it has one, else ours."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist, engines
from django.template.loader import get_template
from django.urls import get_callable, get_resolver, get_urlconf

from .. import http
from ..errors import RedisPoolError
from .names import name_of_request

__all__ = ["answer_503"]

logger: logging.Logger = logging.getLogger("redis_pool_ext")

TEMPLATE = "503.html"


def answer_503(request: HttpRequest, error: RedisPoolError) -> HttpResponseBase:
    """Return the response for `error`, and log it.

    The project's own wins: `handler503(request, exception)` in the root URLconf, then a
    template `503.html` for those who prefer HTML. Neither may need Redis; when one of
    them fails, that is logged, and the built-in page stands in.
    """
    page = http.answer(error, _media_type(request.META.get("HTTP_ACCEPT", "*/*")))
    response = _of_project(request, error, page)
    if response is None:
        response = HttpResponse(page.body, content_type=page.content_type)
    response.status_code = page.status
    for name, value in page.headers.items():
        response.headers.setdefault(name, value)
    _log(request, response, error)
    return response


@http.media_type_by
def _media_type(accept: str) -> str | None:
    request = HttpRequest()
    request.META["HTTP_ACCEPT"] = accept
    return request.get_preferred_type(http.MEDIA_TYPES)


def _of_project(
    request: HttpRequest, error: RedisPoolError, page: http.Answer
) -> HttpResponseBase | None:
    """Return the project's own response; None when it has none, or it fails."""
    try:
        response = _by_handler(request, error)
        return _by_template(error, page) if response is None else response
    except Exception:
        logger.exception(
            "%s: the project's own 503 page failed, so the built-in one is sent", error.alias
        )
        return None


def _by_handler(request: HttpRequest, error: RedisPoolError) -> HttpResponseBase | None:
    handler = getattr(get_resolver(get_urlconf()).urlconf_module, "handler503", None)
    if handler is None:
        return None
    response = get_callable(handler)(request, exception=error)
    if not isinstance(response, HttpResponseBase):
        raise TypeError(f"handler503 returned {type(response).__name__}, not a response")
    # Rendered here, where an error still leads to the built-in page.
    render: Any = getattr(response, "render", None)
    return response if render is None else render()


def _by_template(error: RedisPoolError, page: http.Answer) -> HttpResponseBase | None:
    if not page.content_type.startswith("text/html"):
        return None
    if _no_template.is_known():
        return None
    try:
        template = get_template(TEMPLATE)
    except TemplateDoesNotExist:
        _no_template.note()
        return None
    # Without the request: context processors may ask for the session or the user.
    context = {"exception": error, "retry_after": page.headers["Retry-After"]}
    return HttpResponse(template.render(context))


class _NoTemplate:
    """That the project has no template, which its loaders need not be asked each time.

    Some ask the disk, or a database. For a while only: a template that is put there comes up
    without a restart. Other settings make other engines, so they are asked at once; and where
    a project is being written (`DEBUG`), they are always.
    """

    LASTS = 30.0  # seconds

    def __init__(self) -> None:
        self._engines: list[Any] | None = None
        self._until = 0.0

    def is_known(self) -> bool:
        return (
            self._engines is not None
            and monotonic() < self._until
            and not settings.DEBUG
            and self._engines == engines.all()
        )

    def note(self) -> None:
        self._until, self._engines = monotonic() + self.LASTS, engines.all()


_no_template = _NoTemplate()


def _log(request: HttpRequest, response: HttpResponseBase, error: RedisPoolError) -> None:
    # Django would log an error for any 5xx, and mail it to ADMINS; a full pool under
    # load means hundreds of them.
    response._has_been_logged = True  # type: ignore[attr-defined]
    if logger.isEnabledFor(logging.INFO):
        logger.info(  # the pool itself warns, once in a while, and says who has what
            "%s: answered 503 to %s: %s",
            error.alias,
            name_of_request(request),
            error,
            extra={"status_code": response.status_code, "request": request},
        )
