"""One web application in a process of its own.

python -m benchmarks.web.worker django redis-py redis://localhost:6379/0
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from io import BytesIO
from threading import Thread
from typing import Any

from ..child import obey

__all__ = ["main"]

Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def main(framework: str, site: str, url: str) -> None:
    """Make the application, and do with it what the parent asks for."""
    application = import_module(f".on_{framework}", __package__).application(site, url)
    gc.freeze()  # what was there before is not part of a request
    worker = _Worker(application)
    orders = (worker.page, worker.run, worker.run_in_threads, worker.serve)
    obey({order.__name__: order for order in orders})


class _Worker:
    def __init__(self, application: Application) -> None:
        self._application = application

    def page(self, path: str) -> tuple[str, str]:
        """Return the status and the body of one request."""
        status, _headers, body = _call(self._application, _environ(path))
        return status, body.decode()

    def run(self, path: str, number: int) -> tuple[float, float]:
        """Do the request so many times; return seconds per request: wall, and CPU here."""
        gc.collect()
        application = self._application
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(number):
            status, _headers, _body = _call(application, _environ(path))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if status != "200 OK":  # an error page may be quick
            raise RuntimeError(f"{path} answers {status}")
        return wall / number, cpu / number

    def run_in_threads(self, path: str, number: int) -> None:
        """Do the request so many times, one after the other, each in a new thread.

        As Django's development server has it.
        """
        for _ in range(number):
            thread = Thread(target=self.run, kwargs={"path": path, "number": 1})
            thread.start()
            thread.join()

    def serve(self, threads: int) -> int:
        """Serve until the end of this process; return the port."""
        from waitress import create_server  # type: ignore[import,unused-ignore]

        server = create_server(self._whole, host="127.0.0.1", port=0, threads=threads)
        Thread(target=server.run, daemon=True).start()
        return int(server.effective_port)

    def _whole(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer in one piece: without its length, waitress closes the visitor's connection.

        In a Django project that is CommonMiddleware's work.
        """
        status, headers, body = _call(self._application, environ)
        start_response(status, headers)
        return [body]


def _call(application: Application, environ: dict[str, Any]) -> tuple[str, Headers, bytes]:
    """Do what a WSGI server does for one request, to the closing of the response."""
    started: list[tuple[str, Headers]] = []

    def start_response(status: str, headers: Headers, _exc: Any = None) -> None:
        started.append((status, headers))

    response: Any = application(environ, start_response)
    try:
        body = b"".join(response)
    finally:
        if hasattr(response, "close"):
            response.close()
    return *started[0], body


def _environ(path: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
