"""The pages. `request.redis` is one connection, from its first use to the response's end.

No view handles a full pool: the middleware answers 503 with the template `503.html`. Three say
what they need: a vote goes before all else, a report behind it, and the programme does without.
"""

from __future__ import annotations

from time import monotonic
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from example_django import poll
from example_django.pool_panel import pool_panel
from redis_pool_ext.django.decorators import redis_optional, redis_required


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show the ballot, the leaderboard and the pool."""
    context = {
        "talks": poll.TALKS,
        "name": request.session.get("name", ""),
        "last_vote": request.session.get("last_vote", ""),
        "board": poll.board(request.redis),
    }
    return render(request, "index.html", context)


@require_POST
@redis_required(priority="high")
def vote(request: HttpRequest) -> HttpResponse:
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
    request.session["last_vote"] = choice
    if _wants_json(request):
        return JsonResponse(poll.board(request.redis))
    return redirect("index")  # so that a reload does not vote again


@require_POST
def name(request: HttpRequest) -> HttpResponse:
    """Remember the visitor's name."""
    request.session["name"] = poll.clean_name(request.POST.get("name", ""))
    return redirect("index")


@never_cache
@require_safe
@redis_required(priority="low", budget=15.0)  # seconds on Redis, in all
def report(request: HttpRequest) -> HttpResponse:
    """Hold this request's connection for some seconds, on purpose."""
    seconds = poll.report_seconds(request.GET.get("seconds"))
    began = monotonic()
    board = poll.slow_report(request.redis, seconds)
    held = round(monotonic() - began, 1)
    if _wants_json(request):
        return JsonResponse({"held": held})
    return render(request, "report.html", {"held": held, "board": board})


@never_cache
@require_safe
@redis_optional
def programme(request: HttpRequest) -> HttpResponse:
    """Show the talks; and how many votes there are, where Redis can tell."""
    votes = poll.votes(request.redis)
    known = not request.redis.is_degraded
    context = {"talks": poll.TALKS, "votes": votes, "known": known}
    return render(request, "programme.html", context)


@never_cache
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """Return the leaderboard; the page asks every second."""
    return JsonResponse(poll.board(request.redis))


@never_cache
@require_safe
def pool(request: HttpRequest) -> HttpResponse:
    """Return the pool's numbers. Takes no connection, so it always answers."""
    return JsonResponse(pool_panel())


def _too_fast(request: HttpRequest, seconds: int) -> HttpResponse:
    context = {"seconds": seconds, "limit": poll.LIMIT, "window": poll.WINDOW}
    if _wants_json(request):
        response: HttpResponse = JsonResponse(context, status=429)
    else:
        response = render(request, "429.html", context, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _wants_json(request: HttpRequest) -> bool:
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "application/json"
