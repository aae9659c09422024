"""`manage.py redis_pool`, and a site under gunicorn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.program import ROOT
from .served import Contract

MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = os.environ.get("SETTINGS", "tests.cli.sites.shop_django")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


def manage(folder: Path, url: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a project's manage.py."""
    program = folder / "manage.py"
    program.write_text(MANAGE)
    return subprocess.run(
        [sys.executable, "-W", "error", str(program), *arguments],
        capture_output=True, text=True, timeout=50, check=False, cwd=ROOT,
        env={**os.environ, "REDIS_URL": url, "PYTHONPATH": str(ROOT), **env},
    )  # fmt: skip


class TestManage(Contract):
    """The door of Django."""

    application = "tests.cli.sites.wsgi_django"
    view = "tests.cli.sites.shop_django.report"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self._tmp = tmp_path

    def run(self, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return manage(self._tmp, url, "redis_pool", *arguments)


USES_THE_POOL = """
import time
from redis_pool_ext import get_redis
from redis_pool_ext.status import desk
get_redis().ping()
time.sleep(0.2)
print(desk._desk)
"""


def test_shell_does_not_answer_as_a_process_that_serves(place, url, tmp_path):
    """It has a connection, and nobody's requests."""
    ended = manage(tmp_path, url, "shell", "-v", "0", "-c", USES_THE_POOL)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split()[-1] == "None"
    assert not place.exists()


@pytest.mark.parametrize(
    ("argv", "answer"),
    [
        (["/srv/manage.py", "shell"], True),
        (["manage.py", "redis_pool", "ping"], True),
        (["manage.py", "migrate"], True),
        (["manage.py"], True),
        (["/venv/bin/django-admin", "check"], True),
        (["/venv/django/__main__.py", "shell"], True),
        (["manage.py", "runserver"], False),
        (["manage.py", "testserver"], False),
        (["manage.py", "rqworker"], False),
        (["/venv/bin/gunicorn", "shop.wsgi"], False),
        (["/venv/bin/celery", "worker"], False),
        ([""], False),
    ],
)
def test_process_serves_unless_it_is_a_command_of_django(monkeypatch, argv, answer: bool):
    """Commands of others may be a queue's worker, or a server."""
    from redis_pool_ext.django.serving import is_command

    monkeypatch.setattr(sys, "argv", argv)

    assert is_command() is answer


def test_wrong_settings_are_told_with_status_2(place, tmp_path):
    """All of them, and no traceback."""
    ended = manage(tmp_path, "redis://:geheim@h?timeuot=1", "redis_pool", "config")

    assert ended.returncode == 2
    assert "REDIS_POOLS['default']" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "geheim" not in ended.stderr


def test_uses_of_pools_are_read_from_the_settings(tmp_path):
    """A cache of ours, and sessions in it."""
    code = """
from django.conf import settings
from redis_pool_ext.django.uses import uses_of_pools
print(uses_of_pools())
ours = {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}
other = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
settings.CACHES = {"default": other, "users": ours | {"LOCATION": "spare"}}
settings.SESSION_ENGINE = "redis_pool_ext.django.sessions"
settings.SESSION_CACHE_ALIAS = "users"
print(uses_of_pools())
"""
    ended = manage(tmp_path, "redis://h", "shell", "-v", "0", "-c", code)

    assert ended.stdout.splitlines() == [
        "{'default': frozenset({'cache'})}",
        "{'spare': frozenset({'sessions'})}",
    ], ended.stderr


def test_command_can_be_called_from_code(place, url, tmp_path):
    """`call_command`, with a stream of one's own and no colours."""
    code = """
import io
from django.core.management import call_command
out = io.StringIO()
call_command("redis_pool", "config", "--json", stdout=out)
print(out.getvalue().split()[:3])
"""
    ended = manage(tmp_path, url, "shell", "-v", "0", "-c", code)

    assert ended.stdout.strip() == """['{', '"command":', '"config",']""", ended.stderr
