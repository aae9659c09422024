"""The status page, as a project includes it, and a page to log in."""

from django.http import HttpResponse
from django.urls import include, path

from .urls import urlpatterns as views

urlpatterns = [
    *views,
    path("redis-pool/", include("redis_pool_ext.django.status")),
    path("accounts/login/", lambda _request: HttpResponse("log in")),
]


def handler403(_request, exception):
    return HttpResponse("not you", status=403)
