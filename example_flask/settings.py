"""Settings. What differs from place to place comes from the environment, by `environment.py`."""

from __future__ import annotations

from typing import Any

from .environment import flag, names, required, seconds, whole


def read() -> dict[str, Any]:
    """Return what goes into `app.config`; raises `EnvironmentVariableError`."""
    https = flag("HTTPS")  # behind a proxy that ends TLS
    return {
        "DEBUG": flag("DEBUG") or flag("FLASK_DEBUG"),  # `flask run --debug` sets the latter
        # Nothing here signs with it yet. What will (flashed messages, tokens, the toolbar) would
        # otherwise be found without one on the day that it is added.
        "SECRET_KEY": required(
            "SECRET_KEY",
            "make one with  python -c 'import secrets; print(secrets.token_urlsafe(50))'",
        ),
        "TRUSTED_HOSTS": names("ALLOWED_HOSTS", "localhost,127.0.0.1"),  # Flask 3.1
        "REDIS_POOLS": _pools(required("REDIS_URL", "redis://localhost:6379/0, say")),
        "SESSION_COOKIE_SECURE": https,
        "HTTPS": https,
    }


def _pools(url: str) -> dict[str, dict[str, Any]]:
    options = {"decode_responses": True, "socket_timeout": 1.0}
    return {
        "default": {
            "URL": url,
            # Far too few, and far too impatient, so that you see what happens then. In
            # production `gunicorn.conf.py` has as many as threads.
            "MAX_CONNECTIONS": whole("POOL_MAX_CONNECTIONS", 4),
            "TIMEOUT": seconds("POOL_TIMEOUT", 1.0),
            "OPTIONS": options,
        },
        # Lesson 3: slow views among themselves.
        "reports": {"URL": url, "MAX_CONNECTIONS": 2, "TIMEOUT": 0.5, "OPTIONS": options},
    }
