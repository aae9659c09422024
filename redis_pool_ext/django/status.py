"""The status page: `path("redis-pool/", include("redis_pool_ext.django.status"))`.

For staff, as Django's admin has it; or for whom `REDIS_POOL_STATUS_GUARD` lets in. The page takes
no connection of the pools that it shows. Who asks whether a visitor is staff may: with sessions in
Redis that is one command, and at exhaustion the same 503 as everywhere. A guard that asks no
Redis, or sessions on a pool of their own, keep the page up then (docs/status-page.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.module_loading import import_string
from django.views.decorators.http import require_safe

from ..pooling.base import all_pools
from ..process import get_pool
from ..status.page import PATHS, respond
from ..web.view_policy import ALONE, mark
from .handover import SETTING

__all__ = ["GUARD", "app_name", "status_page", "urlpatterns"]

GUARD = "REDIS_POOL_STATUS_GUARD"

Guard = Callable[[HttpRequest], Any]

_NO_AUTH = (
    "the status page of redis_pool_ext is for staff, and without django.contrib.auth nobody is: "
    f"set {GUARD} to a function (or its dotted path) that takes a request and returns True for "
    "who may see the page, or leave the page out of the URLs"
)


@login_not_required  # LoginRequiredMiddleware has no say: the guard has
@require_safe
def status_page(request: HttpRequest, page: str) -> HttpResponseBase:
    """Answer with the page, its files or its numbers, or with why not."""
    refusal = _refusal(request, page)
    if refusal is not None:
        return refusal
    _make_pools()
    answer = respond(page, request.GET.dict())
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


def _refusal(request: HttpRequest, page: str) -> HttpResponseBase | None:
    """Return None for who may see it, or what else to answer; raises `PermissionDenied`."""
    guard = find_guard()
    if guard is None:
        return _refusal_unless_staff(request, page)
    verdict = (async_to_sync(guard) if iscoroutinefunction(guard) else guard)(request)
    if isinstance(verdict, HttpResponseBase):
        return verdict
    if not isinstance(verdict, bool):  # whatever is true by accident shall let nobody in
        raise ImproperlyConfigured(
            f"{GUARD}: it returned {type(verdict).__name__}, not True, False or a response"
        )
    if not verdict:
        raise PermissionDenied
    return None


def _refusal_unless_staff(request: HttpRequest, page: str) -> HttpResponseBase | None:
    user = getattr(request, "user", None)
    if user is None:
        raise ImproperlyConfigured(
            "the status page of redis_pool_ext asks who the user is: list "
            "django.contrib.auth.middleware.AuthenticationMiddleware in MIDDLEWARE, or set " + GUARD
        )
    if user.is_active and user.is_staff:
        return None
    if user.is_authenticated or page:  # a script can do nothing with the login's page
        raise PermissionDenied
    from django.contrib.auth.views import redirect_to_login  # loads the models of that app

    return redirect_to_login(request.get_full_path(), _login_url())


def _login_url() -> str:
    """Return where staff logs in: at the admin, if there is one."""
    try:
        return reverse("admin:login")
    except NoReverseMatch:
        return resolve_url(settings.LOGIN_URL)


def find_guard() -> Guard | None:
    """Return the project's own guard; None where staff may see the page.

    Raises `ImproperlyConfigured` where there is neither, and for a guard that is none.
    """
    guard: Any = getattr(settings, GUARD, None)
    if guard is None:
        if not apps.is_installed("django.contrib.auth"):
            raise ImproperlyConfigured(_NO_AUTH)
        return None
    if isinstance(guard, str):
        try:
            guard = import_string(guard)
        except ImportError as error:
            raise ImproperlyConfigured(f"{GUARD}: {guard!r} cannot be imported: {error}") from error
    if not callable(guard):
        raise ImproperlyConfigured(f"{GUARD}: {guard!r} is no function of a request")
    return guard  # type: ignore[no-any-return]


def _make_pools() -> None:
    """Show the pools of a process that has used none yet; that connects nothing."""
    if not all_pools():
        for alias in getattr(settings, SETTING, {}):
            get_pool(alias)


mark(status_page, ALONE)
find_guard()  # as the URLs are read: not only when somebody comes

app_name = "redis_pool_status"
urlpatterns: list[URLPattern] = [
    path(page, status_page, {"page": page}, name=page.replace(".", "-") or "page") for page in PATHS
]
