"""The demo from beginning to end: set up, measure, show, serve, put away."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..process import close_pools
from . import progress, tables, verdict
from .burst import burst
from .compare import compare
from .example import Example, load
from .failure import DemoError
from .interrupts import Interrupts
from .logbook import logbook
from .screen import Screen
from .server import Server, find_server
from .serving import HOST, serve

if TYPE_CHECKING:
    from .run import Options

__all__ = ["play"]


def play(options: Options, framework: str, interrupts: Interrupts) -> None:
    """Run the demo to its end, or for ever; everything is put away when this ends.

    Raises `DemoError` when it cannot run, or something did not happen as it should.
    """
    screen = Screen()
    with ExitStack() as stack:
        with interrupts.held():  # what is half started would stay behind
            server = find_server(options.redis_url or os.environ.get("REDIS_URL"), stack)
            example = load(framework, server.url)
            stack.callback(close_pools)
            port = serve(example.application, options.port, stack)
        # Pages that are cut off at the end have a lot to tell the log; nobody reads it.
        stack.callback(logging.disable, logging.CRITICAL)
        _measure(screen, server, example, port)
        if not options.once:
            _serve(screen, example, port)


def _measure(screen: Screen, server: Server, example: Example, port: int) -> None:
    """Show both parts; raises `DemoError` with all that did not go as it should."""
    screen.opening(server, example, _address(port))
    complaints = _compare(screen, server) + _burst(screen, example, port)
    if complaints:
        raise DemoError("\n".join(complaints))


def _compare(screen: Screen, server: Server) -> list[str]:
    screen.before_comparison(server)
    with progress.comparing(screen.console) as look:
        without, pooled = compare(server, look)
    screen.table(tables.comparison_table(without, pooled))
    return list(verdict.count_complaints(without, pooled)) if server.is_ours else []


def _burst(screen: Screen, example: Example, port: int) -> list[str]:
    screen.before_burst()
    with logbook() as log, progress.bursting(screen.console) as look:
        result = burst(example, port, look)
    screen.table(tables.burst_table(result))
    screen.table(tables.checks_table(result))
    screen.after_burst(log)
    return list(verdict.complaints(result))


def _serve(screen: Screen, example: Example, port: int) -> None:
    """Serve until a signal interrupts, showing how full the pool is."""
    screen.serving(example, _address(port))
    pool = example.pool()
    with progress.gauge(screen.console) as look:
        while True:
            look(pool.stats())
            time.sleep(0.2)


def _address(port: int) -> str:
    return f"http://{HOST}:{port}/"
