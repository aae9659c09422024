"""What a request is to a type checker, once the middleware has had it.

    def index(request: RedisHttpRequest) -> HttpResponse:
        return HttpResponse(request.redis.incr("hits"))

Both classes are for annotations: the middleware sets the attributes on the requests that Django
makes, which are of neither class.
"""

from __future__ import annotations

from django.http import HttpRequest

from ..aio.client import LeasedAsyncRedis
from ..client import LeasedRedis

__all__ = ["RedisHttpRequest", "RedisRequestMixin"]


class RedisRequestMixin:
    """Says what `RedisPoolMiddleware` puts on a request; for request classes of your own.

    It has no values: where the middleware was not, they are missing, as they are on any request.
    """

    redis: LeasedRedis
    aredis: LeasedAsyncRedis


class RedisHttpRequest(RedisRequestMixin, HttpRequest):
    """Django's request, with `redis` and `aredis`; made by nobody, annotated with."""
