"""The Flask example."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from .contract import PollContract
from .production import ProductionContract
from .site import Site, Visitor, clean_environment, run


class TestFlaskExample(PollContract):
    """`python -m example_flask`."""

    package = "example_flask"
    session_key = "session:%s"
    cached_board = "{poll}:board"

    def test_flask_command_finds_the_application(self, tmp_path: Path) -> None:
        """`flask --app example_flask.development` works without a word about factories."""
        env = clean_environment(tmp_path) | {"REDIS_URL": "redis://localhost:1/0"}
        assert "/board.json" in run(
            ["-m", "flask", "--app", "example_flask.development", "routes"], env
        )

    def test_old_browser_is_judged_by_its_origin(self, site: Site, visitor: Visitor) -> None:
        """Without Sec-Fetch-Site, Origin tells the own page from another site's."""
        own = {"Origin": f"http://127.0.0.1:{site.port}"}
        assert visitor.post_only("/vote/", own, choice="good-queue").status == 303
        other = {"Origin": f"http://127.0.0.1:{site.port + 1}"}
        assert visitor.post_only("/vote/", other, choice="good-queue").status == 403


class TestFlaskInProduction(ProductionContract):
    """gunicorn, with the example's own configuration."""

    package = "example_flask"

    @pytest.mark.skipif(version("flask") < "3.1", reason="Flask asks no host's name before 3.1")
    def test_unknown_host_is_refused(self, site: Site) -> None:
        """As with Django."""
        super().test_unknown_host_is_refused(site)
