"""Lesson 5, seeing it.

The pool's numbers below each page, its status page, two views for load balancers, and a panel
in the debug toolbar. None of them takes a connection, so they work while all are taken.
"""

from __future__ import annotations

from importlib.util import find_spec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from example_django.pool_panel import pool_panel


@never_cache
@require_safe
def pool(_request: HttpRequest) -> HttpResponse:
    """Return the pool's numbers; the page asks twice a second."""
    return JsonResponse(pool_panel())


def is_local(request: HttpRequest) -> bool:
    """Tell whether the browser runs on this machine: the guard of the status page.

    Through a proxy everybody would seem to. A project with users needs no guard: the page is
    for staff, as Django's admin is.
    """
    came_straight = "X-Forwarded-For" not in request.headers
    return came_straight and request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}


def has_toolbar() -> bool:
    """Tell whether to show the toolbar: to developers who have installed it."""
    return settings.DEBUG and find_spec("debug_toolbar") is not None


urlpatterns: list[URLPattern | URLResolver] = [
    path("pool.json", pool, name="pool"),
    path("redis-pool/", include("redis_pool_ext.django.status")),
    path("health/", include("redis_pool_ext.django.health")),  # health/live/, health/ready/
]
