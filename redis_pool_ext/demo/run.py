"""The demo's exit status: what is missing, what failed, and how it was stopped."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass

import redis

from .failure import DemoError
from .interrupts import Interrupts
from .needs import check_libraries, choose_framework

__all__ = ["Options", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    framework: str | None = None
    once: bool = False
    port: int = 0
    redis_url: str | None = None


def run(options: Options) -> int:
    """Run the demo; return its exit status.

    0 after the tables with `once`, and without it when it was stopped; 1 when something
    did not happen as it should, 2 when something is missing, both with a sentence. Cut
    short with `once`, it is 128 plus the signal's number.
    """
    with Interrupts() as interrupts:
        try:
            _run(options, interrupts)
        except DemoError as error:
            return _say(error, error.status)
        except redis.RedisError as error:
            return _say(f"Redis refuses: {error}", 1)
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal itself may be gone
                print("Stopped.")
            return 128 + interrupts.number if options.once else 0
    return 0


def _run(options: Options, interrupts: Interrupts) -> None:
    framework = choose_framework(options.framework)
    check_libraries()
    from .play import play  # needs what was just looked for

    play(options, framework, interrupts)


def _say(sentence: object, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status
