"""The words around the bars and tables."""

from __future__ import annotations

import os
import sys

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from .._version import __version__
from .burst import SECOND, THIRD
from .compare import COMMANDS, POOL, ROUNDS, THREADS
from .example import Example
from .limits import HOLD, MAX_CONNECTIONS, TIMEOUT
from .server import Server

__all__ = ["Screen"]

WIDTH = 100  # columns, where there is no terminal to ask


class Screen:
    """Where the demo prints; `console` is rich's."""

    def __init__(self) -> None:
        knows_width = sys.stdout.isatty() or "COLUMNS" in os.environ
        self.console: Console = Console(width=None if knows_width else WIDTH, highlight=False)

    def opening(self, server: Server, example: Example, address: str) -> None:
        """Say what runs, and where."""
        self._heading(f"redis_pool_ext {__version__}")
        self._say(f"Redis    {server.origin}")
        self._say(f"Example  {example.framework} on waitress, {address}")
        self._say(f"Pool     {MAX_CONNECTIONS} connections; nobody waits longer than {TIMEOUT:g} s")

    def before_comparison(self, server: Server) -> None:
        """Announce the first part."""
        self._heading("1. The same work without a pool and with it")
        self._say(
            f"PING, SET, GET by {THREADS} threads, {ROUNDS} rounds of {COMMANDS} commands each "
            "way, by turns: with a new redis.Redis for every command, and with one pool of "
            f"{POOL}."
        )
        if server.is_fake:
            self._say(
                "fakeredis has no sockets to open: connections are counted where our clients "
                "make them, and with a real server the ratio is much larger."
            )

    def before_burst(self) -> None:
        """Announce the second part."""
        self._heading("2. A burst above max_connections")
        self._say(
            f"{MAX_CONNECTIONS} visitors open the slow page, which holds its connection for "
            f"{HOLD} s. {SECOND} more follow at once, and give up after {TIMEOUT:g} s. Then come "
            f"{THIRD} for a quick page, and wait their turn."
        )

    def after_burst(self, log: list[str]) -> None:
        """Show what the operator reads about it."""
        if log:
            self.console.print()
            self._say("The log says who has the connections, once a second at most:")
            self._say(log[0])

    def serving(self, example: Example, address: str) -> None:
        """Say where to look, what to try, and how to stop."""
        many = MAX_CONNECTIONS + 2
        self._heading("Now it is yours")
        self._say(f"Open     {address} in two browser windows; vote in one, look at the other")
        self._say(f"Status   {address.rstrip('/')}{example.status} shows the pool, live")
        self._say(f"Try      {many} slow pages at once, and watch the pool below:")
        self._say(
            f"         seq {many} | xargs -P{many} -I@ curl -so /dev/null -w '%{{http_code}} ' \\"
        )
        self._say(f"           '{address.rstrip('/')}{example.slow}'")
        self._say("Stop     Ctrl-C")

    def table(self, table: RenderableType) -> None:
        """Print a table, indented as the lines are."""
        self.console.print(Padding(table, (1, 0, 0, 2), expand=False))

    def _heading(self, text: str) -> None:
        self.console.print(f"\n[bold cyan]{text}[/]\n")

    def _say(self, line: str) -> None:
        # Text, because an address or an error may hold what rich takes for markup.
        self.console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
