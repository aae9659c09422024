"""Lesson 3, a full pool.

A slow view keeps its connection all the while. As many of them at once as the pool has
connections, and the next visitor waits `TIMEOUT` seconds in line and then sees 503. No view says
a word about that: the middleware answers, with the template `503.html`.
"""

from __future__ import annotations

from time import monotonic

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from example_django import poll
from example_django.answers import wants_json
from redis_pool_ext.django.decorators import redis_alias, redis_required
from redis_pool_ext.django.requests import RedisHttpRequest


@never_cache
@require_safe
@redis_required(priority="low", budget=15.0)  # behind the votes; seconds on Redis, in all
def report(request: RedisHttpRequest) -> HttpResponse:
    """Hold this request's connection for some seconds, on purpose."""
    return _slow(request)


@never_cache
@require_safe
@redis_alias("reports")
def report_apart(request: RedisHttpRequest) -> HttpResponse:
    """Do the same on a pool of its own: then slow reports starve nobody but each other."""
    return _slow(request)


def _slow(request: RedisHttpRequest) -> HttpResponse:
    seconds = poll.report_seconds(request.GET.get("seconds"))
    began = monotonic()
    board = poll.slow_report(request.redis, seconds)
    held = round(monotonic() - began, 1)
    if wants_json(request):
        return JsonResponse({"held": held})
    return render(request, "report.html", {"held": held, "board": board})
