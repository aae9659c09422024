"""What people are shown, by the page and by the command, is what the metrics say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from redis_pool_ext.status import open_desk
from redis_pool_ext.status.page import respond

from ..support.desks import no_desk_left, place
from ..support.pages import ROOT
from .readers import Telemetry
from .test_agreement import ALIAS, REQUESTS, THREADS, Figures, Load, pool

__all__ = ["no_desk_left", "place", "pool"]


def on_the_page() -> dict[str, Any]:
    data = json.loads(respond("status.json", {}).body)
    [found] = [each for each in data["pools"] if each["alias"] == ALIAS]
    return found["stats"]  # type: ignore[no-any-return]


def by_the_command() -> dict[str, Any]:
    """Return what another process is answered at this one's desk."""
    command = [sys.executable, "-m", "redis_pool_ext", "stats", "--json", "--all"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=50)
    data = json.loads(said.stdout)
    [process] = [each for each in data["processes"] if each["process"]["pid"] == os.getpid()]
    [found] = [each for each in process["pools"] if each["alias"] == ALIAS]
    return found["stats"]  # type: ignore[no-any-return]


def test_page_command_and_metrics_agree_with_the_load(
    pool: Any, place: Any, telemetry: Telemetry
) -> None:
    """To the last request: how each one ended, and each bucket of waits and holds."""
    load, figures = Load(pool), Figures(telemetry)
    load.run()
    figures.look()
    open_desk()
    stats, page, command = pool.stats(), on_the_page(), by_the_command()

    own = json.loads(json.dumps(stats.as_dict()))
    assert command == own
    assert page == own | {"refused": stats.refused}
    assert {end: page[end] for end in load.ends} == dict(load.ends)
    assert sum(page["waits"]["counts"]) == sum(load.ends.values()) == THREADS * REQUESTS
    assert sum(page["holds"]["counts"]) == len(load.holds)
    figures.assert_times("wait_time", stats.waits)
    figures.assert_times("use_time", stats.holds)
