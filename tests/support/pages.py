"""The code that README.md and docs/*.md show, to be run word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
# All that people read.
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("example_*/*.md"), *DOCS.rglob("*.md")])

SHOWN = "redis://localhost:6379/0"  # where the pages say that the server is


def blocks(page: Path, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def headed_blocks(page: Path) -> list[tuple[str, str]]:
    """Return the blocks of Python, each after the heading that it stands under."""
    found, heading = [], page.stem
    for line, block in re.findall(
        r"^##+ ([^\n]+)|^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    ):
        heading = line or heading
        if block:
            found.append((heading, block))
    return found


def block_with(page: Path, text: str) -> str:
    """Return the one block of Python that has `text` in it."""
    (found,) = [block for block in blocks(page) if text in block]
    return found


def said(block: str) -> list[str]:
    """Return the lines that a block says it prints, in comments.

    Behind each `print(...)`, or on lines of their own after the call that prints them.
    """
    behind = re.findall(r"^ *print\(.*\) +# (.+)$", block, re.MULTILINE)
    return behind or re.findall(r"^# (.+)$", block, re.MULTILINE)


def run(code: str, url: str) -> str:
    """Run a program in a process of its own, and return what it prints.

    The server of the pages is the test's. What it says on stderr is a failure.
    """
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.replace(SHOWN, url)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"REDIS_URL": url, "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def load(code: str, url: str) -> dict[str, Any]:
    """Run a program here, and return its names; for applications."""
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(code.replace(SHOWN, url), "shown", "exec"), names)
    return names


def project(settings: str, views: str, then: str) -> str:
    """Return a program that is a Django project; `then` has `get` and `aget` of its test clients.

    Both are for the view `index`, in `views`.
    """
    return _PROJECT.format(
        settings="INSTALLED_APPS = []\nMIDDLEWARE = []\n" + settings, views=views, then=then
    )


_PROJECT = """\
import asyncio, os, sys, types
settings = types.ModuleType("settings")
exec({settings!r}, vars(settings))
settings.ROOT_URLCONF, settings.ALLOWED_HOSTS = "urls", ["*"]
settings.DEFAULT_CHARSET = "utf-8"
sys.modules["settings"] = settings
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
views = types.ModuleType("views")
exec({views!r}, vars(views))
from django.urls import path
urls = types.ModuleType("urls")
urls.urlpatterns = [path("", views.index)]
sys.modules["urls"] = urls
from django.core.management import call_command
call_command("check")
from django.test import AsyncClient, Client
{then}
"""
