"""Sessions in Redis, through the one door that libraries use: `get_redis()`."""

import json

from django.contrib.sessions.backends.base import CreateError, SessionBase

from redis_pool_ext import get_redis


class SessionStore(SessionBase):
    """A session engine, as small as it gets."""

    def load(self):
        data = get_redis().get(f"session:{self.session_key}")
        if data is None:
            self._session_key = None
        return json.loads(data or "{}")

    def exists(self, session_key):
        return bool(get_redis().exists(f"session:{session_key}"))

    def create(self):
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create=False):
        if self.session_key is None:
            return self.create()
        data = json.dumps(self._get_session(no_load=must_create))
        if not get_redis().set(f"session:{self.session_key}", data, nx=must_create):
            raise CreateError
        return None

    def delete(self, session_key=None):
        get_redis().delete(f"session:{session_key or self.session_key}")
