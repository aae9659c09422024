"""The 503: what a web wing answers when there is no connection to be had.

Knows no framework and no template engine, and never talks to Redis.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from .books.comeback import whole_seconds
from .errors import ANSWERED_WITH_503, PoolExhaustedError, RedisPoolError

__all__ = [
    "ANSWERED_WITH_503",
    "MEDIA_TYPES",
    "Answer",
    "answer",
    "media_type_by",
    "method_shown",
    "seconds_of",
]

# Any other one is whatever a client has made up, and no two of them need be alike.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")

PROBLEM = "application/problem+json"
# In order of preference, for clients that take anything.
MEDIA_TYPES = ("text/plain", "text/html", PROBLEM, "application/json")

_TITLE = "Service temporarily unavailable"
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1.1rem/1.6 system-ui, sans-serif }}
body {{ max-width: 34rem; margin: 18vh auto; padding: 0 1.5rem }}
</style>
<h1>{title}</h1>
<p>{detail}</p>
"""


# Characters of an `Accept` header that is remembered; browsers' have 140.
_REMEMBERED = 256


class Answer(NamedTuple):
    """A finished response, for a framework to wrap."""

    status: int
    headers: dict[str, str]
    content_type: str
    body: str


def answer(error: RedisPoolError, media_type: str | None) -> Answer:
    """Return the 503 for `error` in the media type that the client prefers.

    The body says when to come back, and nothing about the server: the error's own
    message, with the pool's numbers, is for the log.
    """
    seconds = seconds_of(error)
    headers = {"Retry-After": str(seconds), "Cache-Control": "no-store"}
    detail = f"{_reason(error)} Please try again in {seconds} s."
    if media_type in (PROBLEM, "application/json"):
        problem = {"type": "about:blank", "title": _TITLE, "status": 503, "detail": detail}
        body = json.dumps(problem | {"retry_after": seconds})
        return Answer(503, headers, PROBLEM, f"{body}\n")  # the shell's prompt has its own line
    if media_type == "text/html":
        page = _PAGE.format(title=html.escape(_TITLE), detail=html.escape(detail))
        return Answer(503, headers, "text/html; charset=utf-8", page)
    return Answer(503, headers, "text/plain; charset=utf-8", f"{_TITLE}. {detail}\n")


def _reason(error: RedisPoolError) -> str:
    """Return what a visitor is told: too many are here, or this is not for want of room."""
    if isinstance(error, PoolExhaustedError):
        return "Too much is going on right now."
    return "A part of this service is out of reach right now."


def seconds_of(error: RedisPoolError) -> int:
    """Return the error's `Retry-After`; one that has none is given it, the same for all who ask."""
    if not error.retry_after:
        error.retry_after = whole_seconds(1.0)
    return error.retry_after


def media_type_by(find: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """Return `find`, which chooses among `MEDIA_TYPES` by an `Accept` header, with a memory.

    A framework needs as long to read a browser's header as for all the rest of a 503, and it
    is always the same few that come.
    """
    known = lru_cache(maxsize=128)(find)
    # What a client makes up at great length is not kept.
    return lambda accept: known(accept) if len(accept) <= _REMEMBERED else find(accept)


def method_shown(method: str | None) -> str:
    """Return a request's method as one of few names, for what counts requests by it."""
    return method if method in _METHODS else "an odd method"
