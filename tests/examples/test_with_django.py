"""The Django example."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .contract import PollContract
from .production import ProductionContract
from .site import ROOT, Site, clean_environment, run

SCOPE = {
    "type": "http", "method": "GET", "path": "/counter/", "query_string": b"",
    "headers": [(b"host", b"localhost")],
}  # fmt: skip


class TestDjangoExample(PollContract):
    """`python -m example_django`."""

    package = "example_django"
    session_key = ":1:django.contrib.sessions.cache%s"
    cached_board = ":1:{poll}:board"

    def test_manage_py_runs_from_any_folder(self, tmp_path: Path) -> None:
        """`python .../example_django/manage.py check` finds the package, and no fault."""
        ended = subprocess.run(
            [sys.executable, "-W", "error", str(ROOT / "example_django" / "manage.py"), "check"],
            cwd=tmp_path,
            env=clean_environment(tmp_path) | {"REDIS_URL": "redis://localhost:1/0"},
            timeout=20,
            check=False,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        assert "no issues" in ended.stdout

    def test_asgi_serves_the_same_view(self, url: str, tmp_path: Path) -> None:
        """Django runs each in a thread, on a lease of the pool for threads."""
        program = f"""
import asyncio
from asgiref.testing import ApplicationCommunicator
from example_django.asgi import application

async def body(scope):
    visitor = ApplicationCommunicator(application, scope)
    await visitor.send_input({{"type": "http.request"}})
    start, page = await visitor.receive_output(), await visitor.receive_output()
    await visitor.wait()
    return start["status"], b"<em>1</em>" in page["body"]

print(asyncio.run(body({SCOPE})))
"""
        env = clean_environment(tmp_path) | {"REDIS_URL": url, "SECRET_KEY": "x"}
        assert run(["-c", program], env) == "(200, True)\n"


class TestDjangoInProduction(ProductionContract):
    """gunicorn, with the example's own configuration."""

    package = "example_django"

    def test_check_for_deployment_finds_nothing(self, site: Site) -> None:
        """Neither Django's own checks nor ours, which the README has run before gunicorn."""
        assert "System check identified no issues" in site.output
