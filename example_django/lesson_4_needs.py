"""Lesson 4, what a view needs of Redis.

It says so above its first line. A vote has its connection before it begins, so that none is
half done; and it goes before all else in the queue. The programme does without.
"""

from __future__ import annotations

from uuid import uuid4

from django.core.cache import cache
from django.http import HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from example_django import poll
from example_django.answers import wants_json
from redis_pool_ext.django.decorators import redis_optional, redis_required
from redis_pool_ext.django.requests import RedisHttpRequest


@require_POST
@redis_required(priority="high")
def vote(request: RedisHttpRequest) -> HttpResponse:
    """Count a vote, unless this visitor votes too fast."""
    choice = request.POST.get("choice", "")
    if choice not in poll.TITLES:
        return HttpResponseBadRequest("There is no such talk on the ballot.")
    # Who throws the cookie away is a new visitor: this slows people down, not robots.
    visitor = request.session.setdefault("visitor", uuid4().hex)
    seconds = poll.seconds_to_wait(request.redis, visitor)
    if seconds:
        return _too_fast(request, seconds)
    poll.vote(request.redis, choice, request.session.get("name", ""))
    cache.delete(poll.BOARD)  # so that everybody sees this vote at once
    request.session["last_vote"] = choice
    if wants_json(request):
        return JsonResponse(poll.board(request.redis))
    return redirect("index")  # so that a reload does not vote again


@never_cache
@require_safe
@redis_optional
def programme(request: RedisHttpRequest) -> HttpResponse:
    """Show the talks; and what Redis can tell of the votes, if it can."""
    context = {
        "talks": poll.TALKS,
        "votes": poll.votes(request.redis),
        "count": poll.last_count(request.redis),
        "known": not request.redis.is_degraded,
    }
    return render(request, "programme.html", context)


def _too_fast(request: RedisHttpRequest, seconds: int) -> HttpResponse:
    context = {"seconds": seconds, "limit": poll.LIMIT, "window": poll.WINDOW}
    if wants_json(request):
        response: HttpResponse = JsonResponse(context, status=429)
    else:
        response = render(request, "429.html", context, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response
