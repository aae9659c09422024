"""The README's code is run, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def block_with(text: str) -> str:
    (found,) = [block for block in blocks("python") if text in block]
    return found


def run(code: str, url: str) -> str:
    """Run a program in a process of its own, with the README's server being the test's."""
    code = code.replace("redis://localhost:6379/0", url)
    environment = {"REDIS_URL": url, "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment,
        cwd=README.parent,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_plain_program_runs(url):
    """Pools, leases and scopes without a framework."""
    run(block_with("nightly job"), url)


def test_pool_as_redis_py_pool_runs(url):
    """The comment shows what the last line prints."""
    block = block_with("pool.stats().summary()")

    assert run(block, url).strip() == block.strip().rpartition("# ")[2]


@pytest.mark.skipif(find_spec("flask") is None, reason="without a framework")
def test_flask_app_answers(url):
    """The Flask block is an application."""
    code = block_with("FlaskRedisPool") + "\nprint(app.test_client().get('/').text)"

    assert run(code, url).strip() == "1"


@pytest.mark.skipif(find_spec("django") is None, reason="without a framework")
def test_django_project_answers(url):
    """The two Django blocks make a project."""
    settings = "INSTALLED_APPS = []\nMIDDLEWARE = []\n" + block_with("# settings.py")
    program = f"""
import sys, types
settings = types.ModuleType("settings")
exec({settings!r}, vars(settings))
settings.ROOT_URLCONF, settings.ALLOWED_HOSTS = "urls", ["*"]
settings.DEFAULT_CHARSET = "utf-8"
views = types.ModuleType("views")
exec({block_with("# views.py")!r}, vars(views))
sys.modules["settings"] = settings
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
from django.urls import path
urls = types.ModuleType("urls")
urls.urlpatterns = [path("", views.index)]
sys.modules["urls"] = urls
from django.core.management import call_command
call_command("check")
from django.test import Client
print(Client().get("/").content.decode())
"""
    assert run(textwrap.dedent(program), url).split()[-1] == "1"


def test_503_body_is_the_real_one():
    """What the README shows is what `http.answer` writes."""
    from redis_pool_ext.errors import PoolExhaustedError
    from redis_pool_ext.http import answer

    (block,) = blocks("http")
    shown = re.sub(r"\s+", " ", block.partition("\n\n")[2]).strip()
    assert shown == answer(PoolExhaustedError("", retry_after=2), "application/json").body


def test_first_screen_shows_both_command_lines():
    """The same words stand in .ci/run."""
    first_screen = README.read_text().partition("## Install")[0]

    assert "pip install -e '.[demo]' && python -m redis_pool_ext demo" in first_screen
    assert "\npip install tox && tox\n" in first_screen
    assert "\npip install tox && tox\n" in (README.parent / ".ci" / "run").read_text()
