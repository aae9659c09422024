"""`path("health/", include("redis_pool_ext.django.health"))`: `live/` and `ready/`.

For load balancers and Kubernetes. What is asked for stands in `REDIS_POOL_HEALTH`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from ..http import Answer
from ..status import health
from ..status.policy import SETTING, HealthPolicy
from ..web.view_policy import ALONE, mark

__all__ = ["app_name", "live", "ready", "urlpatterns"]

app_name = "redis_pool_health"


@require_safe
async def live(_request: HttpRequest) -> HttpResponse:
    """Tell that this process answers."""
    return _response(health.alive())


@require_safe
async def ready(request: HttpRequest) -> HttpResponse:
    """Tell whether the pools can do work."""
    policy = HealthPolicy.read(getattr(settings, SETTING, {}), SETTING)
    if isinstance(request, ASGIRequest):
        return _response(await health.aready(policy, request.GET))
    # Under WSGI Django makes a loop for this request alone: nobody is held up in it, and the
    # pools are those of threads.
    return _response(health.ready(policy, request.GET))


def _response(answer: Answer) -> HttpResponse:
    response = HttpResponse(
        answer.body, answer.content_type, status=answer.status, headers=answer.headers
    )
    # Django would log each 503 as an error, and mail it to ADMINS: one for each probe.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _open_to_all(view: Any) -> Any:
    """Exempt a view from Django's LoginRequiredMiddleware: who probes has no account."""
    view.login_required = False
    return mark(view, ALONE)  # and has no Redis of its own


# Coroutines both: under ASGI the pools of the event loop are the ones that have the requests.
urlpatterns: list[URLPattern] = [
    path("live/", _open_to_all(live), name="live"),
    path("ready/", _open_to_all(ready), name="ready"),
]
