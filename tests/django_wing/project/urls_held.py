"""A view that keeps its connection for as long as a test likes."""

import threading

from django.http import HttpResponse
from django.urls import path

from .views import hits


class Stage:
    """Where the views and the test meet; `go` lets the views end."""

    arrived: threading.Barrier
    go: threading.Event

    @classmethod
    def begin(cls, views):
        """Let so many views, and the test, wait for each other."""
        cls.arrived, cls.go = threading.Barrier(views + 1), threading.Event()


def report(request, number):
    request.redis.ping()
    Stage.arrived.wait(20)
    Stage.go.wait(20)
    return HttpResponse(f"report {number}")


urlpatterns = [path("reports/<int:number>/", report), path("hits/", hits)]
