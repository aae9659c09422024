"""Flask sessions on the request's own Redis connection.

The cookie holds a random key, Redis holds the rest. Loading waits until a view looks at
the session: a page that does not, never talks to Redis. (It also has to wait. Flask opens
the session before its error handlers are in place, so a full pool would be a 500 there.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from secrets import token_urlsafe
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin

from redis_pool_ext import get_redis


class RedisSession(SessionMixin):
    """A dictionary that is read from Redis at the first look."""

    modified = False

    def __init__(self, key: str | None) -> None:
        self.key = key

    @cached_property
    def data(self) -> dict[str, Any]:
        """What is stored; an unknown or expired key starts an empty session."""
        stored = get_redis().get(f"session:{self.key}") if self.key else None
        if stored is None:
            self.key = None  # never adopt a key that somebody else made up
            return {}
        data: dict[str, Any] = json.loads(stored)
        return data

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.data[name] = value
        self.modified = True

    def __delitem__(self, name: str) -> None:
        del self.data[name]
        self.modified = True

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


class RedisSessions(SessionInterface):
    """Opens and saves them for Flask."""

    def open_session(self, app: Flask, request: Request) -> RedisSession:
        """Return the session of this visitor, unread."""
        return RedisSession(request.cookies.get(self.get_cookie_name(app)))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Store what was changed, unless the request failed."""
        assert isinstance(session, RedisSession)  # as it was opened
        if "data" in vars(session):  # it was looked at
            response.vary.add("Cookie")
        if not session.modified or response.status_code >= 500:
            return
        session.key = session.key or token_urlsafe(32)
        seconds = int(app.permanent_session_lifetime.total_seconds())
        get_redis().set(f"session:{session.key}", json.dumps(session.data), ex=seconds)
        response.set_cookie(
            self.get_cookie_name(app),
            session.key,
            max_age=seconds,
            secure=self.get_cookie_secure(app),
            httponly=True,
            samesite="Lax",
        )
