"""The classes that requests are annotated with."""

from __future__ import annotations

from typing import get_type_hints

from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from redis_pool_ext.django.middleware import RedisPoolMiddleware
from redis_pool_ext.django.requests import RedisHttpRequest, RedisRequestMixin


def test_middleware_sets_what_the_class_says() -> None:
    """Each attribute, of the type that it is annotated with, and no other."""
    requests: list[HttpRequest] = []

    def get_response(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    before = RequestFactory().get("/")
    RedisPoolMiddleware(get_response)(RequestFactory().get("/"))
    added = {name: vars(requests[0])[name] for name in vars(requests[0]).keys() - vars(before)}
    hints = get_type_hints(RedisRequestMixin)

    assert added.keys() == hints.keys()
    assert [name for name in hints if not isinstance(added[name], hints[name])] == []


def test_requests_stay_djangos_own() -> None:
    """The class is for type checkers: it has no values, and hides nobody's attributes."""
    assert not isinstance(RequestFactory().get("/"), RedisHttpRequest)
    assert not {"redis", "aredis"} & set(dir(RedisHttpRequest))
