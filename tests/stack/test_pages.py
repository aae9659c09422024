"""docs/stack-flask.md and docs/migrating-from-flask-redis.md, followed word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis

from tests.support.pages import DOCS, blocks
from tests.support.threads import wait_until

from .pages import Folder, files_of

STACK = DOCS / "stack-flask.md"
MIGRATION = DOCS / "migrating-from-flask-redis.md"

ASK_STACK = """
from app import create_app
for _ in range(2):  # a factory is called more than once
    visitor = create_app().test_client()
    print([visitor.get("/").text for _ in range(2)])
"""

ASK_TASK = """
from tasks import app, count_words, redis_pool
print([count_words.apply(["three little words"]).get() for _ in range(2)])
with app.app_context():
    print(redis_pool.pool.stats().summary())
"""

# The last visit is one that a project with flask-redis, and one without, answer in the same way.
ASK_VISITS = """
from app import create_app
from extensions import redis_client, scores
app = create_app()
visitor = app.test_client()
print([visitor.get(path).text for path in ("/ada", "/bob", "/ada")])
print(redis_client.get("last"), redis_client["hits"])
with app.app_context():
    print(scores.zscore("scores", "ada"), scores.zrange("scores", 0, 0))
"""
ASK_POOL = """
from extensions import redis_pool
with app.app_context():
    from redis_pool_ext import get_pool
    print([(get_pool(alias).stats().created, get_pool(alias).stats().in_use)
           for alias in ("default", "scores")])
"""


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Folder:
    """An empty project."""
    return Folder(tmp_path, REDIS_URL=url)


def test_application_of_the_page_answers(folder: Folder, admin: redis.Redis):
    """Session, cache, limiter, queue and the view: one connection, as its comment says."""
    folder.write(files_of(STACK))
    (comment,) = re.findall(r"return f.*# (.+)", STACK.read_text())

    said = folder.run("-W", "error", "-c", ASK_STACK)

    assert comment == "1 connection"
    assert said == f"{[comment] * 2}\n" * 2
    assert admin.get("hits") == b"4"
    assert admin.llen("rq:queue:default") == 4
    assert {key.partition(b":")[0] for key in admin.scan_iter()} >= {b"session", b"LIMITS", b"rq"}
    assert admin.keys("flask_cache_*") == [b"flask_cache_greeting"]


def test_worker_of_the_page_does_what_a_request_enqueued(folder: Folder, admin: redis.Redis):
    """In the context of the app, and until it is told to end."""
    folder.write(files_of(STACK))
    folder.run("-W", "error", "-c", ASK_STACK)

    with folder.running("worker.py"):
        wait_until(lambda: admin.zcard("rq:finished:default") == 4, 20)


def test_task_of_the_page_is_on_one_connection(folder: Folder):
    """It finds the app, and gives the connection back at its end."""
    folder.environ["BROKER_URL"] = folder.environ["REDIS_URL"]
    folder.write(files_of(STACK))

    said = folder.run("-c", ASK_TASK)

    assert said == "[3, 6]\nin_use=0 idle=1 waiting=0 max=8\n"


def test_limiter_is_set_up_in_the_context_of_its_app(folder: Folder):
    """The page's last block, where the pools of two apps differ."""
    folder.write(files_of(STACK))
    block = blocks(STACK)[-1]
    program = """
import app as module
from redis_pool_ext.flask import FlaskRedisPool
first = module.create_app()
other = module.Flask("other")
other.config["REDIS_POOLS"] = {"default": module.os.environ["REDIS_URL"] + "?max_connections=3"}
module.redis_pool.init_app(other)
def set_up(app, limiter):
    exec(BLOCK)
other.config.update(first.config, REDIS_POOLS=other.config["REDIS_POOLS"])
try:
    module.limiter.init_app(other)
except RuntimeError as error:
    print("their default pools differ" in str(error))
set_up(other, module.limiter)
"""
    assert folder.run("-c", f"BLOCK = {block!r}\n{program}") == "True\n"


# -- from flask-redis --------------------------------------------------------------------------


def steps(page: Path) -> list[tuple[str, str]]:
    """Return (file, diff) for each step of the page."""
    return [
        (name, rest)
        for name, _, rest in (
            block.removeprefix("--- ").partition("\n") for block in blocks(page, "diff")
        )
    ]


def apply(step: str, before: str) -> str:
    """Do what a diff says, piece by piece; what it takes away has to be there, once."""
    after = before
    for piece in re.split(r"\n\s*\n(?=-)", step.strip("\n")):
        lines = piece.splitlines()
        old = "\n".join(line[1:] for line in lines if line.startswith("-"))
        new = "\n".join(line[1:] for line in lines if line.startswith("+"))
        assert len(lines) == piece.count("\n-") + piece.count("\n+") + 1, piece
        assert after.count(old) == 1, old
        after = after.replace(old, new)
    return after


def test_project_with_flask_redis_runs_after_the_steps_as_before(
    folder: Folder, admin: redis.Redis
):
    """The same answers; then on two pools, with one connection of each."""
    files = files_of(MIGRATION)
    assert list(files) == ["extensions.py", "app.py", "views.py"]
    folder.write(files)
    before = folder.run("-c", ASK_VISITS)
    assert before.splitlines()[0] == "['1 ada 1', '2 bob 1', '3 ada 2']"
    admin.flushall()

    for name, step in steps(MIGRATION):
        files[name] = apply(step, files[name])
    folder.write(files)
    after = folder.run("-W", "error", "-c", ASK_VISITS + ASK_POOL)

    assert after == before + "[(1, 0), (1, 0)]\n"
    assert not any("flask_redis" in text for text in files.values())


def test_settings_of_the_page_are_settings():
    """Each name in the table's right column that looks like one of ours is one of ours."""
    from redis_pool_ext.settings.rules import POOL_RULES

    table = MIGRATION.read_text().partition("## What was, and what is")[2].partition("\n## ")[0]
    right = [line.rpartition(" | ")[2] for line in table.splitlines() if line.startswith("| `")]
    named = set(re.findall(r'"([A-Z_]+)":', " ".join(right)))

    assert named
    assert named <= {name.upper() for name in POOL_RULES} | {"OPTIONS", "URL"}
