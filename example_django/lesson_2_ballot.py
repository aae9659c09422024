"""Lesson 2, one connection for all.

The session, the cache and `request.redis` use the request's one connection (`settings.py` names
the two engines). A page that looks at all three takes no more of the pool than one that counts.
"""

from __future__ import annotations

from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from example_django import poll
from redis_pool_ext.django.requests import RedisHttpRequest


@never_cache
@require_safe
def index(request: RedisHttpRequest) -> HttpResponse:
    """Show the ballot and the leaderboard, to a visitor whom the session may know."""
    context = {
        "talks": poll.TALKS,
        "name": request.session.get("name", ""),
        "last_vote": request.session.get("last_vote", ""),
        "board": poll.board(request.redis),
    }
    return render(request, "index.html", context)


@require_POST
def name(request: RedisHttpRequest) -> HttpResponse:
    """Remember the visitor's name."""
    request.session["name"] = poll.clean_name(request.POST.get("name", ""))
    return redirect("index")


@never_cache
@require_safe
def board(request: RedisHttpRequest) -> HttpResponse:
    """Return the leaderboard. Each open page asks once a second, so all share an answer."""
    found = cache.get_or_set(poll.BOARD, lambda: poll.board(request.redis), timeout=1)
    return JsonResponse(found)
