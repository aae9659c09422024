"""A sub-command, run in this process, and a process for it to see."""

from __future__ import annotations

import io
import json
from typing import Any, NamedTuple

from redis_pool_ext.cli import Options, Project, run
from redis_pool_ext.cli.output import Output
from redis_pool_ext.config import read_settings

PATIENCE = 20.0  # for a machine that is busy

# Its arguments: settings as JSON; how many leases it has had; which pools it uses.
SERVES = """
import json, sys
from redis_pool_ext import configure, get_pool
from redis_pool_ext.status import open_desk
configure(json.loads(sys.argv[1]))
for alias in sys.argv[3].split():
    for _ in range(int(sys.argv[2])):
        with get_pool(alias).lease(holder="shop.views.index") as client:
            client.ping()
open_desk()
"""

# One whose two connections are held, while a third borrower waits.
IS_FULL = """
import sys, threading
from contextlib import suppress
from redis_pool_ext import ConnectionPoolTimeoutError, configure, get_pool
from redis_pool_ext.status import open_desk
configure({"default": {"URL": sys.argv[1], "MAX_CONNECTIONS": 2, "TIMEOUT": 60}})
pool, both = get_pool(), threading.Barrier(3)
def report():
    with pool.lease(holder="shop.views.report") as client:
        client.incr("hits")
        both.wait(20)
        threading.Event().wait()
for _ in range(2):
    threading.Thread(target=report, daemon=True).start()
both.wait(20)
while pool.history._before is None:  # what is refused before the first look is in no sample
    threading.Event().wait(0.01)
with suppress(ConnectionPoolTimeoutError):
    pool.timeout = 0.01
    pool.get_connection()
pool.timeout = 60
threading.Thread(target=pool.get_connection, daemon=True).start()
while not pool.stats().waiting or not pool.window().refused or not pool.shares():
    threading.Event().wait(0.01)
open_desk()
"""


class Said(NamedTuple):
    """What a command has said, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Terminal(io.StringIO):
    """Takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


def call(
    name: str,
    pools: Any = None,
    *,
    out: io.StringIO | None = None,
    colour: bool | None = None,
    uses: Any = None,
    **options: Any,
) -> Said:
    """Run a command for a project with these settings; None is a plain program."""
    configs = None if pools is None else read_settings(pools)
    project = Project(prog="redis_pool", pools=configs, uses=uses or {})
    out, err = out or io.StringIO(), io.StringIO()
    output = Output(out=out, err=err, colour=colour)
    status = run(name, project, Options(**{"timeout": PATIENCE} | options), output)
    return Said(status, out.getvalue(), err.getvalue())
