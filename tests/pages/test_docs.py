"""The code of pages that have no file of tests of their own runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.pages import (
    DOCS,
    README,
    ROOT,
    SHOWN,
    block_with,
    blocks,
    headed_blocks,
    project,
    run,
    said,
)

LIFE = DOCS / "life-of-a-connection.md"

ASYNCIO = DOCS / "asyncio.md"


def test_code_runs(url):
    """The comment shows what the last line prints."""
    (block,) = blocks(LIFE)

    assert run(block, url).strip() == block.strip().rpartition("# ")[2]


# -- docs/asyncio.md -----------------------------------------------------------------------


def kind_of(block: str) -> str:
    """Tell how a block is run: by itself, served as an application, or as a file of a project."""
    if block.startswith("# ") and ".py" in block.partition("\n")[0]:
        return "file"
    return "application" if "\napp = " in block else "program"


def of_kind(kind: str) -> list[object]:
    return [
        pytest.param(block, id=heading)
        for heading, block in headed_blocks(ASYNCIO)
        if kind_of(block) == kind
    ]


def require_what_is_imported(block: str) -> None:
    for library in re.findall(r"^(?:from|import) (\w+)", block, re.MULTILINE):
        pytest.importorskip(library)


@pytest.mark.parametrize("block", of_kind("program"))
def test_program_prints_what_its_comments_say(url, block: str):
    """It is complete, and says nothing on stderr."""
    require_what_is_imported(block)
    printed = said(block)

    assert run(block, url).splitlines() == printed
    assert printed or "print" not in block


ASK_FLASK = "print(app.test_client().get('/').text)"
ASK_QUART = """
async def ask():
    async with app.test_app() as running:
        response = await running.test_client().get("/")
        print(await response.get_data(as_text=True))
import asyncio
asyncio.run(ask())
"""
ASK_STARLETTE = """
async def ask():
    async with app.router.lifespan_context(app):
        over = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=over, base_url="http://here") as client:
            print((await client.get("/")).text)
import asyncio, httpx
asyncio.run(ask())
"""
ASK_WEBSOCKET = """
async def ask():
    said = ["connect", "receive", "disconnect"]
    incoming = iter([{"type": f"websocket.{what}", "text": "hello", "code": 1000} for what in said])
    sent = []
    async def receive():
        return next(incoming)
    async def send(message):
        sent.append(message)
    await app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    print(sent[-1]["text"])
import asyncio
asyncio.run(ask())
"""
ASK = {
    "Flask": (ASK_FLASK, "1"),
    "Quart": (ASK_QUART, "1"),
    "Websockets": (ASK_WEBSOCKET, "entry 1"),
    "FastAPI": (ASK_STARLETTE, "1"),
    "One lease per request, in any ASGI application": (ASK_STARLETTE, "1"),
}


@pytest.mark.parametrize("heading", [param.id for param in of_kind("application")])
def test_application_answers(url, heading: str):
    """It is complete, and says nothing on stderr."""
    block = dict(headed_blocks(ASYNCIO))[heading]
    ask, answer = ASK[heading]
    require_what_is_imported(block + ask)

    assert run(block + ask, url) == answer + "\n"


ASK_STREAM = """
async def ask():
    response = await AsyncClient().get("/")
    print(b"".join([chunk async for chunk in response]).decode())
asyncio.run(ask())
"""
ASK_EVENTS = """
from redis_pool_ext import get_redis
async def ask():
    response = await AsyncClient().get("/")
    get_redis().publish("news", "it works")
    async for chunk in response:
        print(chunk.decode())
        break
    response.close()
asyncio.run(ask())
"""
VIEWS = {
    "await request.aredis": ("print(asyncio.run(AsyncClient().get('/')).content.decode())", "1"),
    "under WSGI": ("print(Client().get('/').content.decode())", "1"),
    "progress(request.aredis)": (ASK_STREAM, "nothing: 0 %\nnothing: 50 %\nnothing: 100 %"),
    "events(pubsub)": (ASK_EVENTS, "data: it works"),
}


@pytest.mark.parametrize("text", VIEWS)
def test_views_answer(url, text: str):
    """They are complete, in a project with the README's settings and the page's own."""
    pytest.importorskip("django")
    settings = block_with(README, "# settings.py") + block_with(ASYNCIO, "# settings.py")
    ask, answer = VIEWS[text]

    said_in_all = run(project(settings, block_with(ASYNCIO, text), ask), url)
    assert said_in_all.partition("\n")[2].strip() == answer  # after what the checks say


def test_tests_pass(url, tmp_path: Path):
    """The page's tests are tests."""
    pytest.importorskip("pytest_asyncio")
    (tmp_path / "test_hits.py").write_text(
        block_with(ASYNCIO, "pytest.mark.asyncio").replace(SHOWN, url)
    )
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "."],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )

    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_no_block_of_the_page_is_left_out():
    """The files are those that the tests above put together."""
    files = {str(param.values[0]).partition("\n")[0] for param in of_kind("file")}

    assert len(of_kind("file")) == len(VIEWS) + 2
    assert files == {"# settings.py", "# views.py", "# views.py, under WSGI", "# test_hits.py"}


# -- docs/several-pools.md -------------------------------------------------------------------

SEVERAL = DOCS / "several-pools.md"


@pytest.mark.parametrize("text", ["release()", '"HOLD": "command"'])
def test_lease_lets_go_as_the_comments_say(url, text: str):
    """Early, or after each command."""
    block = block_with(SEVERAL, text)

    assert run(block, url).splitlines() == said(block)


ASK_BOTH = """
async def ask():
    urls.urlpatterns.append(path("report", views.Report.as_view()))
    print(Client().get("/").content, (await AsyncClient().get("/report")).content)
    from redis_pool_ext import get_async_pool, get_pool
    for get in (get_pool, get_async_pool):
        print([get(alias).stats().acquired for alias in ("default", "reports")])
asyncio.run(ask())
"""


def test_views_of_django_are_on_the_pool_that_they_name(url):
    """A function and a class, sync and async, in a project with the page's settings."""
    pytest.importorskip("django")
    settings = block_with(README, "# settings.py") + block_with(SEVERAL, "# settings.py")
    program = project(settings, block_with(SEVERAL, "# views.py"), ASK_BOTH)

    assert run(program, url).splitlines()[1:] == ["b'1' b'2'", "[0, 1]", "[0, 1]"]


def test_view_of_flask_is_on_the_pool_that_it_names(url):
    """The default pool is not touched."""
    pytest.importorskip("flask")
    ask = """
print(app.test_client().get("/").text)
with app.app_context():
    from redis_pool_ext import get_pool
    print([get_pool(alias).stats().acquired for alias in ("default", "reports")])
"""
    assert run(block_with(SEVERAL, "@app.get") + ask, url) == "1\n[0, 1]\n"


def test_no_block_of_several_pools_is_left_out():
    """All of them are run above."""
    assert len(blocks(SEVERAL)) == 5
