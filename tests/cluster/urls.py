"""One view of a Django project whose Redis is a cluster."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path


def count(request: HttpRequest, key: str) -> HttpResponse:
    return HttpResponse(str(request.redis.incr(key)))


urlpatterns = [path("<key>", count)]
