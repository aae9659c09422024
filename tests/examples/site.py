"""An example in a process of its own, and the visitors that it has."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

ROOT = Path(__file__).resolve().parents[2]
MAX = 2  # connections in the pool of the shared site
# Commands of the libraries that are installed beside this Python come first.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
PATIENCE = 40  # seconds, for a start or an end
# Django's runserver leaves its listening socket to the garbage collector.
WARNINGS = ("-W", "error", "-W", "ignore::ResourceWarning")
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"  # what a browser says about a page


class Reply(NamedTuple):
    """A response that was read to its end."""

    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        """What the JSON says."""
        return json.loads(self.text)


class Site:
    """`python -m <package>` on a free port, stopped at the end of the `with` block.

    Its output and its temporary files go to `folder`. Or another server, by its `command`, whose
    visitors come through a proxy that sets these `headers`.
    """

    def __init__(
        self,
        package: str,
        folder: Path,
        command: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        **env: str,
    ) -> None:
        self.folder = folder
        self.port = _free_port()
        self.command = command or [sys.executable, *WARNINGS, "-m", package]
        self.headers = headers or {}
        where = {"PORT": str(self.port), "BIND": f"127.0.0.1:{self.port}"}
        self.env = clean_environment(folder) | where | env

    def __enter__(self) -> Self:
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.env,
                cwd=ROOT,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return (self.folder / "output").read_text()

    def visitor(self) -> Visitor:
        """Somebody who has not been here before."""
        return Visitor(f"http://127.0.0.1:{self.port}", self.headers)

    def pool(self) -> dict[str, Any]:
        """Return the pool's numbers; asking takes no connection."""
        numbers: dict[str, Any] = self.visitor().get("/pool.json").json()
        return numbers

    def taken(self) -> int:
        """Return how many connections requests have taken so far, of all pools."""
        shown = self.visitor().get("/redis-pool/status.json").json()
        return sum(pool["stats"]["acquired"] for pool in shown["pools"])

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process.poll() is None, self.output
            try:
                self.visitor().get("/pool.json")
            except URLError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"no answer in time: {self.output}")


class Visitor:
    """A browser without JavaScript: keeps cookies, fills forms, follows no redirect."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self.address = address
        self.headers = headers
        self.cookies = SimpleCookie()
        self._opener = build_opener(_StayHere())

    def get(self, path: str = "/", accept: str = HTML, forwarded: str | None = None) -> Reply:
        """Ask for a page, or for what else is there; as one whom a proxy has `forwarded`."""
        headers = {"Accept": accept} | ({"X-Forwarded-For": forwarded} if forwarded else {})
        return self._send(Request(self.address + path, headers=headers))

    def post(self, path: str, accept: str = HTML, **fields: str) -> Reply:
        """Send the page's form with what is hidden in it."""
        return self.post_only(path, {"Accept": accept}, **self.form(), **fields)

    def form(self) -> dict[str, str]:
        """Look at the page, and return what is hidden in its forms."""
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.get().text)
        return dict(hidden)

    def post_only(self, path: str, headers: dict[str, str], **fields: str) -> Reply:
        """Send a form that the visitor has never seen."""
        data = urlencode(fields).encode()
        return self._send(Request(self.address + path, data, headers, method="POST"))

    def vote(self, slug: str, accept: str = HTML) -> Reply:
        """Press one of the buttons."""
        return self.post("/vote/", accept, choice=slug)

    def _send(self, request: Request) -> Reply:
        cookies = [f"{name}={morsel.value}" for name, morsel in self.cookies.items()]
        request.add_header("Cookie", "; ".join(cookies))
        for name, value in self.headers.items():
            request.add_header(name, value)
        try:
            response = self._opener.open(request, timeout=PATIENCE)
        except HTTPError as error:
            response = error
        with response:
            for cookie in response.headers.get_all("Set-Cookie", []):
                self.cookies.load(cookie)
            return Reply(response.status, response.headers, response.read().decode())


class _StayHere(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        return None


def run(arguments: list[str], env: dict[str, str]) -> str:
    """Run Python with these arguments to its end, and return what it printed; no warnings."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env=env,
        timeout=PATIENCE,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def clean_environment(folder: Path) -> dict[str, str]:
    """Return the environment without what the examples would read from it."""
    unset = {
        *("REDIS_URL", "DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "HTTPS", "DJANGO_SETTINGS_MODULE"),
        *("POOL_MAX_CONNECTIONS", "POOL_TIMEOUT", "WEB_CONCURRENCY", "WEB_THREADS", "FLASK_DEBUG"),
    }
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    return inherited | {"TMPDIR": str(folder)}


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
