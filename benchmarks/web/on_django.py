"""A Django project of one view, once for each contender, as its documentation sets it up.

Settings are global to a process, so one process has one of them. Each view is written out
as its users write it: what it looks up per command is part of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django
import redis
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.cache import cache_page

from .data import KEYS, PAGE

__all__ = ["SITES", "application", "urlpatterns"]

View = Callable[[HttpRequest, int], HttpResponse]

# Django asks for this name, in the module that ROOT_URLCONF names.
urlpatterns: list[Any] = []


def application(site: str, url: str) -> WSGIHandler:
    """Return the WSGI application of a site, on the Redis at `url`; once per process."""
    view = SITES[site](url)
    urlpatterns.extend([path("<int:gets>", view), path("page", cache_page(300)(_page))])
    return WSGIHandler()


def _page(_request: HttpRequest) -> HttpResponse:
    """Return what `cache_page` keeps in the site's cache, and makes once."""
    return HttpResponse(PAGE)


def _start(**others: Any) -> None:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], **others)
    django.setup(set_prefix=False)


def _pool(url: str) -> View:
    _start(
        INSTALLED_APPS=["redis_pool_ext.django"],
        MIDDLEWARE=["redis_pool_ext.django.middleware.RedisPoolMiddleware"],
        REDIS_POOLS={"default": {"URL": url}},
    )

    def view(request: Any, gets: int) -> HttpResponse:
        return HttpResponse(b"".join([request.redis.get(key) for key in KEYS[:gets]]))

    return view


def _pool_cache(url: str) -> View:
    _start(
        INSTALLED_APPS=["redis_pool_ext.django"],
        MIDDLEWARE=["redis_pool_ext.django.middleware.RedisPoolMiddleware"],
        REDIS_POOLS={"default": {"URL": url}},
        CACHES={"default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}},
    )
    return _cache_view()


def _redis_py(url: str) -> View:
    _start()
    client: Any = redis.Redis.from_url(url)

    def view(_request: HttpRequest, gets: int) -> HttpResponse:
        return HttpResponse(b"".join([client.get(key) for key in KEYS[:gets]]))

    return view


def _django_redis(url: str) -> View:
    _start(CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}})
    from django_redis import get_redis_connection  # type: ignore[import,unused-ignore]

    def view(_request: HttpRequest, gets: int) -> HttpResponse:
        client: Any = get_redis_connection("default")
        return HttpResponse(b"".join([client.get(key) for key in KEYS[:gets]]))

    return view


def _django_redis_cache(url: str) -> View:
    _start(CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url}})
    return _cache_view()


def _django_cache(url: str) -> View:
    backend = "django.core.cache.backends.redis.RedisCache"
    _start(CACHES={"default": {"BACKEND": backend, "LOCATION": url}})
    return _cache_view()


def _cache_view() -> View:
    from django.core.cache import cache

    def view(_request: HttpRequest, gets: int) -> HttpResponse:
        return HttpResponse(b"".join([cache.get(key) for key in KEYS[:gets]]))

    return view


def _nothing(_url: str) -> View:
    _start()

    def view(_request: HttpRequest, gets: int) -> HttpResponse:
        return HttpResponse(b"")

    return view


# By name; each configures Django and returns the view.
SITES: dict[str, Callable[[str], View]] = {
    "redis_pool_ext": _pool,
    "redis_pool_ext, cache": _pool_cache,
    "redis-py": _redis_py,
    "django-redis": _django_redis,
    "django-redis, cache": _django_redis_cache,
    "Django's RedisCache": _django_cache,
    "no Redis": _nothing,
}
