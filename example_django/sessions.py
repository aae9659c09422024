"""Django sessions on the request's own Redis connection.

`get_redis()` is the leased client inside a request, so the session, the view and
everything else share one connection. Django loads a session when a view first looks at
it: a page that does not, never talks to Redis.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError

from redis_pool_ext import get_redis


class SessionStore(SessionBase):
    """One Redis key per session, which Redis deletes when its time is over."""

    def load(self) -> dict[str, Any]:
        """Return what is stored; an unknown or expired key starts an empty session."""
        stored = get_redis().get(_key(self.session_key))
        if stored is None:
            self._session_key = None  # never adopt a key that somebody else made up
            return {}
        return self.decode(stored)

    def save(self, must_create: bool = False) -> None:
        """Store the session; a new one (`must_create`) replaces no existing key."""
        if self.session_key is None:
            return self.create()
        data = self.encode(self._get_session(no_load=must_create))
        done = get_redis().set(
            _key(self.session_key),
            data,
            ex=self.get_expiry_age(),
            nx=must_create,
            xx=not must_create,
        )
        if not done:
            raise CreateError if must_create else UpdateError
        return None

    def create(self) -> None:
        """Find a key that is free, and store the session there."""
        while True:
            self._session_key = self._get_new_session_key()
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def exists(self, session_key: str) -> bool:
        """Tell whether there is such a session."""
        return bool(get_redis().exists(_key(session_key)))

    def delete(self, session_key: str | None = None) -> None:
        """Forget a session; this one by default."""
        get_redis().delete(_key(session_key or self.session_key))

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: Redis has done it."""


def _key(session_key: str | None) -> str:
    return f"session:{session_key}"
