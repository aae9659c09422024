"""Which address shows what."""

from django.conf import settings
from django.urls import include, path
from django.views.static import serve

from example_django import views

urlpatterns = [
    path("", views.index, name="index"),
    path("vote/", views.vote, name="vote"),
    path("name/", views.name, name="name"),
    path("programme/", views.programme, name="programme"),
    path("report/", views.report, name="report"),
    path("board.json", views.board, name="board"),
    path("pool.json", views.pool, name="pool"),
    path("redis-pool/", include("redis_pool_ext.django.status")),
    # Three small files. In production a web server, or WhiteNoise, hands them out.
    path("static/<path:path>", serve, {"document_root": settings.BASE / "static"}),
]
