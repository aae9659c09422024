"""From a path and a query to a finished response; who may see it, the wing decides.

Nothing here takes a connection of a pool: the page comes up while all are taken.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ..servers import ask_servers
from .data import status

__all__ = ["PATHS", "Response", "respond"]

# The page loads its own files, asks its own server, and runs nothing inline: what a request
# is called can never become a script.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LIVE = {"Cache-Control": "no-store"}
# Named by what is in them, so that a new version has another name.
_KEPT = {"Cache-Control": "private, max-age=86400"}

Query = Mapping[str, str]


class Response(NamedTuple):
    """A finished response, for a framework to wrap."""

    status: int
    headers: dict[str, str]
    body: bytes


def respond(path: str, query: Query) -> Response:
    """Return what stands at `path`, relative to where the page is: one of `PATHS`, or a 404."""
    answer = _ANSWERS.get(path)
    return _text(404, "There is no such page here.\n") if answer is None else answer(query)


# -- the page and its files ------------------------------------------------------------------

_FILES = {
    "status.css": "text/css; charset=utf-8",
    "status.js": "text/javascript; charset=utf-8",
    "status.svg": "image/svg+xml",
}


@cache
def _read(name: str) -> bytes:
    return (files(__name__.rpartition(".")[0]) / "files" / name).read_bytes()


@cache
def _page() -> bytes:
    """Return the page, which names the files by what is in them."""
    page = _read("page.html")
    for name in _FILES:
        mark = hashlib.sha256(_read(name)).hexdigest()[:12]
        page = page.replace(f'"{name}"'.encode(), f'"{name}?{mark}"'.encode())
    return page


def _show_page(_query: Query) -> Response:
    return _response(200, "text/html; charset=utf-8", _page(), _LIVE)


def _file(name: str) -> Callable[[Query], Response]:
    return lambda _query: _response(200, _FILES[name], _read(name), _KEPT)


# -- the numbers -----------------------------------------------------------------------------


def _show_status(query: Query) -> Response:
    since = _number(query.get("since", "0"))
    if since is None:
        return _text(400, "since: a number of seconds since the epoch is expected\n")
    process = query.get("process", "this")
    if process not in {"this", "all"} and not (process.isdecimal() and len(process) < 20):
        return _text(400, "process: this, all or a process id is expected\n")
    return _json(status(process, since))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _show_servers(_query: Query) -> Response:
    return _json({"servers": ask_servers()})


_ANSWERS: dict[str, Callable[[Query], Response]] = {
    "": _show_page,
    "status.json": _show_status,
    "servers.json": _show_servers,
    **{name: _file(name) for name in _FILES},
}
PATHS = tuple(_ANSWERS)


def _json(data: Any) -> Response:
    return _response(200, "application/json", json.dumps(data).encode(), _LIVE)


def _text(status: int, text: str) -> Response:
    return _response(status, "text/plain; charset=utf-8", text.encode(), _LIVE)


def _response(status: int, kind: str, body: bytes, headers: dict[str, str]) -> Response:
    return Response(status, {"Content-Type": kind, **_HEADERS, **headers}, body)
