"""django-debug-toolbar's panel: `"redis_pool_ext.django.panel.RedisPoolPanel"`.

In `DEBUG_TOOLBAR_PANELS`; needs `pip install 'redis-pool-ext[django-debug-toolbar]'`.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.safestring import SafeString, mark_safe

from ..status import recorder
from ..status.panel import TITLE, render, summary
from ..status.recording import Recording

try:
    from debug_toolbar.panels import Panel
except ImportError as _error:
    raise ImportError(
        "RedisPoolPanel needs django-debug-toolbar: "
        "pip install 'redis-pool-ext[django-debug-toolbar]'"
    ) from _error

__all__ = ["RedisPoolPanel"]


class RedisPoolPanel(Panel):  # type: ignore[misc]  # no types are looked at
    """The commands of a request, what it waited for its connection, and how long it holds it."""

    title = nav_title = TITLE  # pyright: ignore[reportAssignmentType]  # properties there
    is_async = True

    _recording: Recording | None = None

    @property
    def nav_subtitle(self) -> str:
        """The line at the side of the page."""
        return summary(self.get_stats())

    @property
    def content(self) -> SafeString:
        """The page itself."""
        return mark_safe(render(self.get_stats()))  # all that is not ours is escaped there

    def enable_instrumentation(self) -> None:
        """Begin to record; once for each request."""
        if self._recording is None:
            self._recording = recorder.start()

    def disable_instrumentation(self) -> None:
        """Record no more."""
        recorder.stop()

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Store what was recorded, for the page."""
        if self._recording is not None:
            self.record_stats(self._recording.as_dict())

    def generate_server_timing(self, request: Any, response: Any) -> None:
        """Tell the browser, too."""
        stats = self.get_stats()
        if stats:
            self.record_server_timing("commands", "Redis commands", stats["seconds"] * 1000)
            self.record_server_timing("waited", "Redis pool", stats["waited"] * 1000)
