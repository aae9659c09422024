"""Views of all kinds, decorated as Django has it; `runs` notes that one has run."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import AsyncClient
from django.utils.decorators import method_decorator
from django.views import View

runs: list[str] = []


def reads(request: Any) -> HttpResponse:
    runs.append("view")
    return HttpResponse(f"{request.redis.get('k')} {request.redis.is_degraded}")


async def areads(request: Any) -> HttpResponse:
    runs.append("view")
    return HttpResponse(f"{await request.aredis.get('k')} {request.aredis.is_degraded}")


def idles(request: Any) -> HttpResponse:
    """Run without a command."""
    runs.append("view")
    return HttpResponse()


async def aidles(request: Any) -> HttpResponse:
    return idles(request)


class ByClass(View):
    def get(self, request: Any) -> HttpResponse:
        return idles(request)


class ByAsyncClass(View):
    async def get(self, request: Any) -> HttpResponse:
        return idles(request)


def of_class(kind: type[View], decorator: Any, name: str) -> Any:
    """Return a view of a class that is decorated as Django has it."""
    made: Any = type(kind.__name__, (kind,), {"get": kind.get})  # type: ignore[attr-defined]
    return method_decorator(decorator, name=name)(made).as_view()


KINDS = {
    "function": lambda decorator: decorator(idles),
    "coroutine": lambda decorator: decorator(aidles),
    "class": lambda decorator: of_class(ByClass, decorator, "dispatch"),
    "async class": lambda decorator: of_class(ByAsyncClass, decorator, "dispatch"),
    "method": lambda decorator: of_class(ByClass, decorator, "get"),
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


async def aget(path: str = "/") -> Any:
    return await AsyncClient().get(path)
