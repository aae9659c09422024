"""`python -m redis_pool_ext`: the demo, the version, and the commands for plain programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import cli
from ._version import __version__
from .demo.run import Options, run

__all__ = ["main"]

_PROG = "python -m redis_pool_ext"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return the exit status. Wrong usage ends the process with 2."""
    given = _parser().parse_args(arguments)
    if given.command in cli.COMMANDS:
        return cli.run(given.command, cli.Project(prog=_PROG), cli.given(vars(given)))
    return run(
        Options(
            framework=given.framework,
            once=given.once,
            port=given.port,
            redis_url=given.redis_url,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROG,
        description="One process, one Redis pool; HTTP 503 when it is exhausted.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands.add_parser("demo", help="measure what the pool is for, on a live example"))
    cli.add_commands(commands, plain=True)
    return parser


def _add_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--framework", choices=("django", "flask"), help="whose example (default: django if there)"
    )
    demo.add_argument("--once", action="store_true", help="end after the tables")
    demo.add_argument(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="serve on this port (default: a free one)",
    )
    demo.add_argument(
        "--redis-url",
        metavar="URL",
        help="use this Redis (default: $REDIS_URL, else a server of the demo's own)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
