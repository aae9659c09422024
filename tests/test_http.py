"""The 503 that a web wing answers with."""

from __future__ import annotations

import json

import pytest

from redis_pool_ext import (
    LeaseError,
    LeaseStateLostError,
    PoolClosedError,
    PoolExhaustedError,
    PoolUnavailableError,
    RedisPoolError,
    http,
)
from redis_pool_ext.errors import ANSWERED_WITH_503
from redis_pool_ext.http import MEDIA_TYPES, answer

ERROR = PoolExhaustedError(
    'no connection within 2.00 s (pool "secret-alias": in_use=16)',
    alias="secret-alias",
    retry_after=3,
)
DETAIL = "Too much is going on right now. Please try again in 3 s."


def test_pool_that_is_full_and_redis_that_is_down_are_told_apart():
    """Nobody is told of a crowd where there is none; and neither says more than that."""
    exhausted = {
        error_class: "Too much is going on right now." in answer(error_class("no"), None).body
        for error_class in ANSWERED_WITH_503
    }

    assert [each for each, is_told in exhausted.items() if is_told] == [PoolExhaustedError]
    assert "A part of this service is out of reach right now. Please try again in" in (
        answer(PoolUnavailableError("no"), None).body
    )


@pytest.mark.parametrize("media_type", [*MEDIA_TYPES, None])
def test_every_answer_is_a_503_that_says_when_to_come_back(media_type: str | None):
    """Status, Retry-After in whole seconds, and no cache keeps it."""
    answered = answer(ERROR, media_type)

    assert answered.status == 503
    assert answered.headers == {"Retry-After": "3", "Cache-Control": "no-store"}
    assert DETAIL in answered.body


@pytest.mark.parametrize(
    ("media_type", "content_type"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("application/problem+json", "application/problem+json"),
        ("application/json", "application/problem+json"),
        (None, "text/plain; charset=utf-8"),
        ("image/png", "text/plain; charset=utf-8"),
    ],
)
def test_media_type_chooses_the_body(media_type: str | None, content_type: str):
    """The client gets what it prefers, and text where nothing fits."""
    assert answer(ERROR, media_type).content_type == content_type


def test_problem_json_has_the_fields_of_rfc_9457():
    """Programs find the status, the sentence and the seconds."""
    assert json.loads(answer(ERROR, "application/problem+json").body) == {
        "type": "about:blank",
        "title": "Service temporarily unavailable",
        "status": 503,
        "detail": DETAIL,
        "retry_after": 3,
    }


def test_text_is_one_line():
    """A person at a terminal reads one sentence after another."""
    assert answer(ERROR, None).body == f"Service temporarily unavailable. {DETAIL}\n"


def test_html_is_a_whole_page():
    """A browser gets a page that needs nothing else from this server."""
    page = answer(ERROR, "text/html").body

    assert page.startswith("<!doctype html>")
    assert "<h1>Service temporarily unavailable</h1>" in page
    assert "src=" not in page
    assert "href=" not in page


def test_html_escapes_its_texts(monkeypatch: pytest.MonkeyPatch):
    """Also a title of one's own cannot break out of the page."""
    monkeypatch.setattr(http, "_TITLE", "<script>")
    page = answer(ERROR, "text/html").body

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("media_type", [*MEDIA_TYPES, None])
def test_answer_tells_nothing_about_the_server(media_type: str | None):
    """The pool's numbers, its name and its error are for the log."""
    answered = repr(answer(ERROR, media_type)).lower()

    assert not [word for word in ("redis", "secret-alias", "in_use", "pool") if word in answered]


def test_error_without_a_time_says_one_second_or_two():
    """Retry-After is never missing, and nobody's is the same for all."""
    seen = {answer(PoolClosedError("closed"), None).headers["Retry-After"] for _ in range(100)}

    assert seen == {"1", "2"}


def test_error_without_a_time_says_the_same_to_all_who_ask():
    """A page of the project, and the header that is added to it."""
    error = PoolClosedError("closed")
    seen = {http.seconds_of(error) for _ in range(100)}

    assert seen == {error.retry_after}


def test_media_type_is_looked_for_once_per_header():
    """A browser's header takes a framework as long as all the rest."""
    asked: list[str] = []
    media_type = http.media_type_by(lambda accept: asked.append(accept) or "text/html")

    assert [media_type("text/html, */*") for _ in range(3)] == ["text/html"] * 3
    assert asked == ["text/html, */*"]


def test_header_of_great_length_is_not_remembered():
    """What visitors make up shall not fill the memory."""
    asked: list[str] = []
    media_type = http.media_type_by(lambda accept: asked.append(accept) or None)
    long = "text/html, " * 30

    assert [media_type(long), media_type(long)] == [None, None]
    assert asked == [long, long]


@pytest.mark.parametrize(
    ("error_class", "is_answered"),
    [
        (PoolExhaustedError, True),
        (PoolUnavailableError, True),
        (PoolClosedError, True),
        (RedisPoolError, False),
        (LeaseError, False),
        (LeaseStateLostError, False),
    ],
)
def test_only_a_lack_of_connections_is_a_503(error_class: type[RedisPoolError], is_answered: bool):
    """A mistake in the program stays a 500."""
    assert issubclass(error_class, ANSWERED_WITH_503) is is_answered
