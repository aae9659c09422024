"""The README's code is run, word for word."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from ..support.pages import README, ROOT, block_with, blocks, project, run


def test_plain_program_runs(url):
    """Pools, leases and scopes without a framework."""
    run(block_with(README, 'get_pool("default")'), url)


def test_pool_as_redis_py_pool_runs(url):
    """The comment shows what the last line prints."""
    block = block_with(README, "# any library that takes a pool")

    assert run(block, url).strip() == block.strip().rpartition("# ")[2]


@pytest.mark.skipif(find_spec("flask") is None, reason="without a framework")
def test_flask_app_answers(url):
    """The Flask block is an application."""
    code = block_with(README, "FlaskRedisPool") + "\nprint(app.test_client().get('/').text)"

    assert run(code, url).strip() == "1"


@pytest.mark.skipif(find_spec("django") is None, reason="without a framework")
@pytest.mark.parametrize(
    ("view", "ask"),
    [
        ('request.redis.incr("hits")', "Client().get('/')"),
        ("request.aredis", "asyncio.run(AsyncClient().get('/'))"),
    ],
    ids=["sync", "async"],
)
def test_django_project_answers(url, view: str, ask: str):
    """The settings and either view make a project."""
    settings, views = block_with(README, "# settings.py"), block_with(README, view)

    assert run(project(settings, views, f"print({ask}.content.decode())"), url).split()[-1] == "1"


@pytest.mark.skipif(find_spec("django") is None, reason="without a framework")
def test_cache_and_session_are_on_the_lease(url):
    """With the two lines, in the project of the first screen."""
    settings = block_with(README, "# settings.py") + block_with(README, "RedisPoolCache")
    views = """\
from importlib import import_module
from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from redis_pool_ext import get_pool

def index(request):
    cache.set("key", "value")
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session["visits"] = 1
    session.save()
    request.redis.ping()
    return HttpResponse(f"{cache.get('key')} {get_pool().stats().acquired}")
"""
    said = run(project(settings, views, "print(Client().get('/').content.decode())"), url)
    assert said.splitlines()[-1] == "value 1"


def test_503_body_is_the_real_one():
    """What the README shows is what `http.answer` writes."""
    from redis_pool_ext.errors import PoolExhaustedError
    from redis_pool_ext.http import answer

    (block,) = blocks(README, "http")
    shown = re.sub(r"\s+", " ", block.partition("\n\n")[2]).strip()
    assert f"{shown}\n" == answer(PoolExhaustedError("", retry_after=2), "application/json").body


def test_first_screen_shows_both_command_lines():
    """The same words stand in .ci/run."""
    first_screen = README.read_text().partition("## Install")[0]

    assert "pip install -e '.[demo]' && python -m redis_pool_ext demo" in first_screen
    assert "\npip install tox && tox\n" in first_screen
    assert "\npip install tox && tox\n" in (ROOT / ".ci" / "run").read_text()
