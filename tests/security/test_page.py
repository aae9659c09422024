"""What docs/security.md shows runs, in Django and in Flask; and what it says of failures is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_pool_ext.books import faults
from redis_pool_ext.embedded import EmbeddedRedis

from ..support.certificates import authority_file, paper
from ..support.pages import DOCS, README, block_with, headed_blocks, project, run
from .conftest import Serve

PAGE = DOCS / "security.md"
SHOWN = headed_blocks(PAGE)
SETTINGS = [block for _, block in SHOWN if "\nREDIS_POOLS = {" in f"\n{block}"]
NAMES = [
    f"{number}-{heading}" for number, (heading, block) in enumerate(SHOWN) if block in SETTINGS
]

VIEW = """
def index(request):
    from django.http import HttpResponse
    return HttpResponse(str(request.redis.ping()))
"""
FLASK = """
from flask import Flask
from redis_pool_ext.flask import FlaskRedisPool, current_redis
app = Flask(__name__)
app.config["REDIS_POOLS"] = REDIS_POOLS
FlaskRedisPool(app)
app.get("/")(lambda: str(current_redis.ping()))
"""
ASK_FLASK = "\nprint(app.test_client().get('/').text)\n"
ASK_TASKS = """
import asyncio
from redis_pool_ext import configure, get_async_redis
configure(REDIS_POOLS)
async def ask():
    print(await get_async_redis().ping())
asyncio.run(ask())
"""


@pytest.fixture
def here(
    serve: Serve, redis_server: EmbeddedRedis, admin: redis.Redis, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """What stands here in the place of what the page names."""
    admin.acl_setuser("app", enabled=True, passwords="+s3cret", keys="*", commands=["+@all"])
    ours = paper("app", by="clients")
    (tmp_path / "secret").write_text("s3cret\n")
    socket = str(tmp_path / "s")
    with EmbeddedRedis("--unixsocket", socket):
        yield {
            "cache.example.com:6380": f"localhost:{serve(asks='clients')}",
            "localhost:6379": f"{redis_server.host}:{redis_server.port}",
            "/etc/ssl/redis-ca.pem": authority_file(),
            "/etc/ssl/app.pem": ours.certificate,
            "/etc/ssl/app.key": ours.key,
            "/run/secrets/redis": str(tmp_path / "secret"),
            "/run/redis/redis.sock": socket,
            'os.environ["REDIS_PASSWORD"]': "'s3cret'",
        }
    admin.acl_deluser("app")


def moved(block: str, here: dict[str, str], serve: Serve) -> str:
    """Return a block with what is named in it in its place here."""
    if "ssl_certfile" not in block:  # it is dialled without a certificate of ours
        here = {**here, "cache.example.com:6380": f"localhost:{serve()}"}
    for shown, real in here.items():
        block = block.replace(shown, real)
    return block


@pytest.mark.parametrize("block", SETTINGS, ids=NAMES)
def test_settings_connect_a_django_project(here: Any, serve: Serve, block: str):
    """In the place of those of the README."""
    pytest.importorskip("django")
    settings = block_with(README, "# settings.py") + moved(block, here, serve)
    ask = "print(Client().get('/').content.decode())"

    assert run(project(settings, VIEW, ask), "redis://unused").splitlines()[-1] == "True"


@pytest.mark.parametrize("block", SETTINGS, ids=NAMES)
def test_settings_connect_a_flask_application_and_tasks(here: Any, serve: Serve, block: str):
    """As app.config["REDIS_POOLS"], and by configure()."""
    pytest.importorskip("flask")
    program = moved(block, here, serve) + FLASK + ASK_FLASK + ASK_TASKS

    assert run(program, "redis://unused").split() == ["True", "True"]


def test_flask_application_answers(here: Any, serve: Serve):
    """It is complete."""
    pytest.importorskip("flask")
    program = moved(block_with(PAGE, "app = Flask(__name__)"), here, serve)

    assert run(program + ASK_FLASK, "redis://unused").strip() == "True"


def test_no_block_is_left_out():
    """All but one are settings."""
    assert len(SHOWN) == len(SETTINGS) + 1


def test_ways_out_are_those_of_the_messages():
    """The table's words are the errors' own."""
    text = PAGE.read_text().partition("### What is said when it fails")[2]
    rows = re.findall(r"^\| (?!---|the server)[^|]+\| ([^|]+) \|$", text, re.MULTILINE)
    said = " ".join([*faults._UNTRUSTED.values(), *faults._WAYS_OUT.values()])
    said = said.replace("`", "")

    assert len(rows) == 6
    for row in rows:
        words = row.replace("`", "").partition(", ...")[0]
        if words != "renew it, or see to the clocks":
            assert words in said, words
