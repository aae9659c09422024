"""docs/deployment.md: its servers are started with its files, and its sums are right."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from ..support.pages import DOCS, ROOT, block_with, blocks, load, run, said
from ..support.threads import spawn, wait_until
from ..support.unix_http import fetch

PAGE = DOCS / "deployment.md"
THREADS, CONNECTIONS = 4, 2

BASE = """
SECRET_KEY, ALLOWED_HOSTS, ROOT_URLCONF = "for a test", ["*"], "shop.urls"
INSTALLED_APPS = ["redis_pool_ext.django"]
MIDDLEWARE = ["redis_pool_ext.django.middleware.RedisPoolMiddleware"]
"""
URLS = """
from django.http import HttpResponse
from django.urls import path

def hit(request):
    return HttpResponse(request.redis.incr("hits"))

async def ahit(request):
    return HttpResponse(await request.aredis.incr("hits"))

def hold(request):
    return HttpResponse(request.redis.blpop("gate", 20)[1])

async def ahold(request):
    return HttpResponse((await request.aredis.blpop("gate", 20))[1])

urlpatterns = [
    path("hit/", hit), path("ahit/", ahit), path("hold/", hold), path("ahold/", ahold),
]
"""
WSGI = "from django.core.wsgi import get_wsgi_application as get\napplication = get()\n"


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's settings, and its file for gunicorn; a short path for a socket."""
    folder = tmp_path_factory.mktemp("d")
    files = {
        "shop/settings.py": BASE + block_with(PAGE, "# settings.py"),
        "shop/urls.py": URLS,
        "shop/wsgi.py": WSGI,
        "shop/asgi.py": WSGI.replace("wsgi", "asgi"),
        "gunicorn.conf.py": block_with(PAGE, "# gunicorn.conf.py"),
    }
    (folder / "shop").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def served(folder: Path, url: str, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server as the page does, on a Unix socket; it is told to end in the middle."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT}:{folder}",
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "REDIS_POOL_STATUS_DIR": "off",
        "REDIS_URL": url,
        "REDIS_CONNECTIONS": str(CONNECTIONS),
        "REDIS_TIMEOUT": "0.2",
        "REDIS_BUDGET": "60",
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": str(THREADS),
        "BIND": f"unix:{folder}/shop.sock",
    }
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command.split(), cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: accepts(folder / "shop.sock") or process.poll() is not None, 20)
        yield process
    finally:
        process.kill()
        process.wait()


def accepts(path: Path) -> bool:
    """Tell whether somebody listens there; the file alone may be there before."""
    with socket.socket(socket.AF_UNIX) as knocking, suppress(OSError):
        knocking.connect(str(path))
        return True
    return False


def blocked(admin: redis.Redis) -> int:
    return sum(each["name"] == "shop" and each["cmd"] == "blpop" for each in admin.client_list())


GUNICORN = "gunicorn -c gunicorn.conf.py shop.wsgi"
UVICORN = "uvicorn shop.asgi:application --uds shop.sock --workers 2 --timeout-graceful-shutdown 30"
SERVERS = {
    "gthread": (GUNICORN, ""),
    "gevent": (GUNICORN.replace(" shop", " --worker-class gevent shop"), ""),
    "uvicorn": (UVICORN.replace("--workers 2 ", ""), "a"),
}


@pytest.mark.parametrize("server", SERVERS)
def test_server_of_the_page_keeps_to_its_bound_and_ends_in_order(
    url: str, admin: redis.Redis, shop: Path, server: str
) -> None:
    """Two hold the connections, a third is told 503; those two are answered after SIGTERM."""
    pytest.importorskip("django")
    command, kind = SERVERS[server]
    for library in (command.split()[0], *({server} - {"gthread"})):
        assert find_spec(library), f"needs {library}: pip install 'redis-pool-ext[test]'"
    with served(shop, url, command) as process:
        door = shop / "shop.sock"
        first = fetch(door, f"/{kind}hit/")
        holders = [spawn(fetch, door, f"/{kind}hold/") for _ in range(CONNECTIONS)]
        wait_until(lambda: blocked(admin) == CONNECTIONS)
        third = fetch(door, f"/{kind}hit/")
        count = sum(each["name"] == "shop" for each in admin.client_list())
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_told_to_end(shop))
        admin.rpush("gate", *["open"] * CONNECTIONS)

        assert first == (200, b"1")
        assert third[0] == 503
        assert count == CONNECTIONS
        assert [holder.result() for holder in holders] == [(200, b"open")] * CONNECTIONS
        assert process.wait(20) in (0, -signal.SIGTERM)
    assert "Traceback" not in (shop / "log").read_text()


def is_told_to_end(shop: Path) -> bool:
    """Tell whether the server has heard the signal; each says so in its own words."""
    log = (shop / "log").read_text()
    return "Handling signal: term" in log or "Shutting down" in log


def test_servers_are_those_of_the_page() -> None:
    """What is started above is what stands there."""
    typed = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    assert GUNICORN in typed
    assert UVICORN in typed
    commands = [line for line in typed if line not in (GUNICORN, UVICORN)]
    assert all(line.startswith("python manage.py ") for line in commands)


def test_settings_are_fit_for_deployment(url: str, shop: Path) -> None:
    """`check --deploy` has nothing of ours to say, with as many connections as threads."""
    pytest.importorskip("django")
    program = (
        f"import os, sys; sys.path.insert(0, {str(shop)!r})\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n"
        "import django; django.setup()\n"
        "from django.core.checks import run_checks\n"
        "print(run_checks(tags=['redis_pool_ext'], include_deployment_checks=True))"
    )
    assert run(program, url) == "[]\n"


@pytest.mark.parametrize("text", ["from_prefixed_env", "pool.close(timeout"])
def test_block_prints_what_it_says(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Both are complete."""
    if "prefixed" in text:
        pytest.importorskip("flask")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    block = block_with(PAGE, text)
    load(block, url)
    assert capsys.readouterr().out.split() == said(block)


def test_sums_of_the_table_are_right() -> None:
    """Processes times pools times connections; one where one request runs at a time."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (.+?) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 7
    for what, processes, pools, total in rows:
        each = 1 if "one connection" in pools else 16 if "two" in pools else 8
        assert int(processes) * each == int(total), what


def test_files_that_are_named_are_there() -> None:
    """Where it was run can be looked up."""
    for path in re.findall(r"`(tests/[\w/.]+)`", PAGE.read_text()):
        assert (ROOT / path).exists(), path


def test_no_block_is_left_out() -> None:
    """What is not run above is uWSGI's file, which the page says."""
    assert len(blocks(PAGE)) == 4
    assert len(blocks(PAGE, "ini")) == 1
