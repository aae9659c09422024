"""What a 503 says, to its visitor and in the log."""

from __future__ import annotations

import logging

import pytest
from flask import Flask, got_request_exception, session

from redis_pool_ext.flask import current_redis

from ...support.records import but_waits
from ..support import RedisSessions, all_held, make_app
from .answers import assert_503


@pytest.mark.parametrize(
    ("accept", "content_type", "begin"),
    [
        (None, "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("*/*", "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("image/png", "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("nonsense;;q=x", "text/plain; charset=utf-8", "Service temporarily unavailable. "),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8", "<!doctype"),
        ("application/json", "application/problem+json", "{"),
        ("application/problem+json, text/html;q=0.5", "application/problem+json", "{"),
    ],
)
def test_accept_header_chooses_the_body(app, client, accept, content_type, begin):
    """Browsers get a page, programs JSON, everybody else a line of text."""
    headers = {} if accept is None else {"Accept": accept}
    with all_held(app):
        response = client.get("/hit", headers=headers)
    assert_503(response)
    assert response.headers["Content-Type"] == content_type
    assert response.text.startswith(begin)


def test_problem_json_says_when_to_come_back(app, client):
    """Header and body name the same seconds."""
    with all_held(app):
        response = client.get("/hit", headers={"Accept": "application/json"})
    assert response.get_json()["status"] == 503
    assert response.get_json()["retry_after"] == int(response.headers["Retry-After"])


def test_head_request_is_answered_without_a_body(app, client):
    """HEAD gets the same status and headers."""
    with all_held(app):
        response = client.head("/hit")
    assert_503(response)
    assert response.data == b""


def test_each_503_is_noted_with_alias_and_request(app, client, caplog):
    """The log says who has the connections, and which request was sent away, once each."""
    with caplog.at_level(logging.INFO, "redis_pool_ext"), all_held(app):
        client.get("/hit")
    report, answered = but_waits(caplog.records)
    assert report.levelno == logging.WARNING
    assert report.getMessage().startswith("default: exhausted (in_use=2")
    assert answered.levelno == logging.INFO
    assert answered.args
    assert answered.getMessage().startswith(
        "default: answered 503 to GET /hit (hit): no connection"
    )


def test_503_that_is_refused_again_in_its_session_is_noted_once(app, client, caplog):
    """A refused view whose session then cannot be saved is still one answer."""
    app.session_interface = RedisSessions()

    @app.get("/visit")
    def visit():
        session["visited"] = True
        return current_redis.get("page") or ""

    with caplog.at_level(logging.INFO, "redis_pool_ext"), all_held(app):
        assert_503(client.get("/visit"))
    assert [record.levelname for record in but_waits(caplog.records)] == ["WARNING", "INFO"]


def test_503_is_not_reported_as_an_unhandled_error(app, client):
    """Error trackers listen to got_request_exception; a 503 is no bug."""
    seen: list[object] = []

    def note(_app: Flask, exception: Exception) -> None:
        seen.append(exception)

    app.session_interface = RedisSessions()
    client.set_cookie("sid", "1")
    with got_request_exception.connected_to(note, app), all_held(app):
        client.get("/plain")
        client.delete_cookie("sid")
        client.get("/hit")
    assert seen == []


def test_no_credential_is_shown_anywhere(admin, redis_server, caplog):
    """Neither body nor headers nor log name the user or the password."""
    admin.acl_setuser("ann", enabled=True, passwords=["+hunter2"], commands=["+@all"], keys=["*"])
    app = make_app(f"redis://ann:hunter2@127.0.0.1:{redis_server.port}/0")
    with caplog.at_level(logging.DEBUG), all_held(app):
        response = app.test_client().get("/hit")
    admin.acl_deluser("ann")
    assert_503(response)
    for text in (response.text, str(response.headers), caplog.text, repr(app.extensions)):
        assert "hunter2" not in text
        assert "ann:" not in text


def test_no_credential_is_shown_when_the_server_is_down(closed_port, caplog):
    """The dial's error is logged without the URL's user part."""
    caplog.set_level(logging.DEBUG)
    app = make_app(f"redis://ann:hunter2@127.0.0.1:{closed_port}/0")
    response = app.test_client().get("/hit")
    assert "503" in caplog.text
    assert "hunter2" not in response.text + caplog.text
