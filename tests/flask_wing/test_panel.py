"""The panel in Flask-DebugToolbar itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from redis_pool_ext import get_redis
from redis_pool_ext.flask import current_redis
from redis_pool_ext.status import recorder
from tests.support.pages import DOCS, ROOT, block_with, load

from ..support.served import get
from .support import make_app, serving

toolbar = pytest.importorskip("flask_debugtoolbar")

PANEL = "redis_pool_ext.flask.panel.RedisPoolPanel"


@pytest.fixture(autouse=True)
def _unwrapped() -> Iterator[None]:
    """Leave redis-py as it was."""
    yield
    recorder.unwrap()


def with_toolbar(url: str, **config: Any) -> Flask:
    app = make_app(url)
    app.config.update(SECRET_KEY="x", DEBUG_TB_ENABLED=True, DEBUG_TB_PANELS=[PANEL], **config)
    toolbar.DebugToolbarExtension(app)

    @app.get("/pages/<int:number>")
    def page(number: int) -> str:
        current_redis.set(f"<b>{number}</b>", "s3cret")
        current_redis.get("greeting")
        return "<html><body>hello</body></html>"

    return app


@pytest.fixture
def app(url: str) -> Flask:
    """An app with the toolbar, and our panel alone."""
    return with_toolbar(url)


def test_toolbar_shows_the_commands_of_its_request(client):
    """By name and key, escaped, without the value."""
    page = client.get("/pages/7").text
    assert "2 commands in " in page
    assert "<td>SET</td><td>&lt;b&gt;7&lt;/b&gt;</td>" in page
    assert "<td>GET</td><td>greeting</td>" in page
    assert "s3cret" not in page


def test_toolbar_shows_the_connection_and_the_pool(client):
    """The lease ends after the response is made."""
    page = client.get("/pages/7").text
    assert "<td>still out</td>" in page
    assert "<tr><td>default</td><td>1</td><td>0</td><td>0</td><td>0</td><td>2</td></tr>" in page


def test_requests_of_a_real_server_are_kept_apart(app):
    """Each page has its own two commands, with other requests beside it."""
    with serving(app) as port, ThreadPoolExecutor(4) as threads:
        pages = list(threads.map(lambda number: get(port, f"/pages/{number}")[1], range(12)))
    for number, page in enumerate(pages):
        assert "2 commands in " in page
        assert f"&lt;b&gt;{number}&lt;/b&gt;" in page


def test_recording_ends_with_its_request(app, client):
    """Also where the toolbar makes no page of it: the thread goes on to other requests."""

    @app.get("/data")
    def data() -> dict[str, Any]:
        return {"hits": current_redis.incr("hits")}

    client.get("/data")
    assert recorder._current.get() is None
    with app.app_context():
        assert get_redis().get("hits") == b"1"


def test_visitor_who_gets_no_toolbar_is_not_recorded(url):
    """Nothing is wrapped for him."""
    app = with_toolbar(url, DEBUG_TB_HOSTS=("192.0.2.1",))
    page = app.test_client().get("/pages/7").text
    assert page == "<html><body>hello</body></html>"
    assert recorder._wrapped == []


def test_app_of_the_page_shows_its_command(url):
    """docs/debug-panels.md, word for word."""
    app = load(block_with(DOCS / "debug-panels.md", "DebugToolbarExtension(app)"), url)["app"]
    assert "<td>INCRBY</td><td>hits</td>" in app.test_client().get("/").text


def test_missing_toolbar_is_named_with_its_extra():
    """It is imported with the panel, and never otherwise."""
    code = (
        "import sys; sys.modules['flask_debugtoolbar'] = None\n"
        "import redis_pool_ext.flask\n"
        "import redis_pool_ext.flask.panel"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert "pip install 'redis-pool-ext[flask-debugtoolbar]'" in done.stderr
