"""`settings.REDIS_POOLS`, handed to the process.

Wrong settings are kept for later instead of raised: `manage.py check` reports them, the
middleware refuses to load, and whoever asks for a pool is told what is wrong with them
(a management command or a Celery task need not have run the checks).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from .. import process
from ..config import ConfigError

__all__ = ["SETTING", "hand_over", "setting_has_changed"]

SETTING = "REDIS_POOLS"

_refused: ConfigError | None = None


def hand_over() -> None:
    """Give the process the settings as they are now; without `REDIS_POOLS` it has none."""
    global _refused  # noqa: PLW0603  one process, one configuration
    process.add_source(_say_what_is_wrong)
    try:
        process.configure(getattr(settings, SETTING, {}), SETTING)
        _refused = None
    except ConfigError as error:
        _refused = error


def setting_has_changed(*, setting: str, **_: Any) -> None:
    """Follow `override_settings(REDIS_POOLS=...)`, in and out."""
    if setting == SETTING:
        hand_over()


def _say_what_is_wrong() -> None:
    """Raise the `ConfigError` of wrong settings to whoever asks for a pool.

    Asked before the process's own settings, which may be those from before a change.
    """
    if _refused is not None:
        raise ConfigError(_refused.problems)
