"""Where our errors become 503: between Django and its `response_for_exception`.

Django wraps the view and every middleware in `convert_exception_to_response`, so what
an inner middleware raises (sessions, auth) is a 500 before an outer one sees it, and
`process_exception` sees the errors of views and templates only. A handler500 or a
receiver of `got_request_exception` comes too late: by then the error was logged and
mailed as a 500, and the test client raises it.

All those wrappers, sync and async, look up one global of `django.core.handlers.exception`
when an exception arrives: `response_for_exception`, where Http404 becomes 404. There our
errors become 503 in the same way. Exactly our errors: one that the project has wrapped
in an error of its own is the project's to answer.
"""

from __future__ import annotations

from functools import wraps

from django.core.handlers import exception as handlers
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from ..errors import ANSWERED_WITH_503
from .responses import answer_503

__all__ = ["install"]

_MARK = "_answers_redis_pool_errors"


def install() -> None:
    """Put the seam in; a second time changes nothing."""
    original = handlers.response_for_exception
    # Whoever wraps ours later with functools.wraps takes the mark along.
    if hasattr(original, _MARK):
        return

    @wraps(original)
    def response_for_exception(request: HttpRequest, exc: Exception) -> HttpResponseBase:
        if isinstance(exc, ANSWERED_WITH_503):
            return answer_503(request, exc)
        return original(request, exc)

    setattr(response_for_exception, _MARK, True)
    handlers.response_for_exception = response_for_exception  # type: ignore[assignment]
