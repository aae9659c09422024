"""Lesson 1, a request's connection.

`request.redis` is a redis-py client on one connection of the pool. The request takes that at
its first command and gives it back when its answer is sent. There is nothing to open or close.
"""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from redis_pool_ext.django.requests import RedisHttpRequest

VISITS = "{poll}:visits"


@never_cache
@require_GET
def counter(request: RedisHttpRequest) -> HttpResponse:
    """Count this visit."""
    visits = request.redis.incr(VISITS)
    return render(request, "counter.html", {"visits": visits})
