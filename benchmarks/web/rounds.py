"""Requests to several applications, in rounds that take turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from ..child import Child
from ..harness import Effort, Timing, rotated

__all__ = ["WORKER", "in_turn", "workers"]

WORKER = "benchmarks.web.worker"

# How often each application is started anew: where its objects happen to lie in memory
# makes one process some per cent faster than another with the same program.
STARTS = 3


@contextmanager
def workers(framework: str, sites: Sequence[str], url: str) -> Iterator[dict[str, Child]]:
    """Start the applications, each in a process of its own; they end with the block."""
    with ExitStack() as stack:
        yield {site: stack.enter_context(Child(WORKER, framework, site, url)) for site in sites}


def in_turn(
    framework: str, sites: Sequence[str], url: str, numbers: Mapping[str, int], effort: Effort
) -> dict[str, dict[str, Timing]]:
    """Measure requests inside the processes; return timings by path, then by site.

    `numbers` says how many requests of each path make a round.
    """
    found = {path: {site: Timing([], []) for site in sites} for path in numbers}
    starts = min(STARTS, effort.rounds)
    for start in range(starts):
        with workers(framework, sites, url) as children:
            for child in children.values():
                for path, number in numbers.items():
                    child.ask("run", path=path, number=max(number // 2, 10))
            for turn in range(start, effort.rounds, starts):
                for path, number in numbers.items():
                    for site, child in rotated(list(children.items()), turn):
                        wall, cpu = child.ask("run", path=path, number=number)
                        found[path][site].wall.append(wall)
                        found[path][site].cpu.append(cpu)
    return found
