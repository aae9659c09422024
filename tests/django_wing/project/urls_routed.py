"""Routes with something in them that differs from request to request."""

from django.http import HttpResponse
from django.urls import include, path, re_path

from .views import DirtyView


def user(_request, **_found):
    return HttpResponse("ok")


urlpatterns = [
    path("users/<int:number>/", user),
    path("tokens/", include([re_path(r"(?P<token>\w+)/", user)])),
    path("class/", DirtyView.as_view()),
    re_path(r"^(?P<number>\d+)/$", user),
]
