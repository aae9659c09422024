"""Flask-DebugToolbar's panel: `"redis_pool_ext.flask.panel.RedisPoolPanel"`.

In `app.config["DEBUG_TB_PANELS"]`; needs `pip install 'redis-pool-ext[flask-debugtoolbar]'`.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, Response

from ..status import recorder
from ..status.panel import TITLE, render, summary
from ..status.recording import Recording

try:
    from flask_debugtoolbar.panels import DebugPanel
except ImportError as _error:
    raise ImportError(
        "RedisPoolPanel needs Flask-DebugToolbar: pip install 'redis-pool-ext[flask-debugtoolbar]'"
    ) from _error

__all__ = ["RedisPoolPanel"]


class RedisPoolPanel(DebugPanel):  # type: ignore[misc]  # no types are looked at
    """The commands of a request, what it waited for its connection, and how long it holds it."""

    name = "RedisPool"
    has_content = True

    _recording: Recording | None = None
    _seen: dict[str, Any] | None = None

    @classmethod
    def init_app(cls, app: Flask) -> None:
        """See that each request's recording ends with it: a thread serves many."""
        app.teardown_request(lambda _error: recorder.stop())

    def process_request(self, request: Request) -> None:
        """Begin to record."""
        self._recording = recorder.start()

    def process_response(self, request: Request, response: Response) -> None:
        """Keep what was recorded, for the page that the toolbar makes now."""
        recorder.stop()
        if self._recording is not None:
            self._seen = self._recording.as_dict()

    def nav_title(self) -> str:
        """The name at the side of the page."""
        return TITLE

    def nav_subtitle(self) -> str:
        """The line at the side of the page."""
        return summary(self._seen or {})

    def title(self) -> str:
        """The heading of the page."""
        return TITLE

    def url(self) -> str:
        """There is no other page."""
        return ""

    def content(self) -> str:
        """The page itself; all that is not ours is escaped there."""
        return render(self._seen or {})
