"""`flask redis-pool`, and an application under gunicorn."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from flask import Flask

from redis_pool_ext.cli import COMMANDS
from redis_pool_ext.config import read_settings
from redis_pool_ext.flask import FlaskRedisPool, commands
from redis_pool_ext.status.projects import identity_of, projects

from ..support.program import ROOT
from .served import Contract


def flask(url: str, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run `flask` for the shop."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "flask", "--app", "tests.cli.sites.shop_flask",
         *arguments],
        capture_output=True, text=True, timeout=50, check=False, cwd=ROOT,
        input=said, env={**os.environ, "REDIS_URL": url},
    )  # fmt: skip


class TestFlask(Contract):
    """The door of Flask."""

    application = "tests.cli.sites.shop_flask:app"
    view = "/report"

    def run(self, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return flask(url, "redis-pool", *arguments)


USES_THE_POOL = """
import time
from redis_pool_ext.status import desk
from redis_pool_ext.flask import current_redis
_ = current_redis.ping(), time.sleep(0.3)
print("desk:", desk._desk)
"""


def test_shell_does_not_answer_as_a_process_that_serves(place, url):
    """It has a connection, and nobody's requests."""
    ended = flask(url, "shell", said=USES_THE_POOL)

    assert "desk: None" in ended.stdout, ended.stderr
    assert not place.exists()


def test_help_lists_the_commands(url):
    """As those of any extension."""
    out = flask(url, "redis-pool", "--help").stdout

    assert [name for name in COMMANDS if name not in out] == []


@pytest.mark.parametrize(
    ("argv", "answer"),
    [
        (["/venv/bin/flask", "redis-pool", "ping"], True),
        (["/venv/bin/flask", "--app", "shop", "shell"], True),
        (["/lib/flask/__main__.py", "routes"], True),
        (["/venv/bin/flask", "--app", "shop", "run"], False),
        (["/venv/bin/flask", "worker"], False),
        (["/venv/bin/gunicorn", "shell"], False),
    ],
)
def test_process_serves_unless_it_is_a_command_of_flask(monkeypatch, argv, answer: bool):
    """Commands of others may be a queue's worker."""
    monkeypatch.setattr(sys, "argv", argv)

    assert commands.is_command() is answer


def test_process_says_which_apps_it_serves():
    """Each by its own pools."""
    apps = []
    for name in ("one", "two"):
        app = Flask(name)
        app.config["REDIS_POOLS"] = {"default": f"redis://{name}/0"}
        FlaskRedisPool(app)
        apps.append(app)
    wanted = {identity_of(read_settings(app.config["REDIS_POOLS"])) for app in apps}

    assert wanted <= set(projects())


def test_app_without_its_pools_has_no_command():
    """`init_app` adds it."""
    assert "redis-pool" not in Flask("plain").cli.commands
