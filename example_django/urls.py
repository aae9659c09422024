"""Which address shows what, lesson by lesson."""

from pathlib import Path

from django.urls import include, path
from django.views.static import serve

from example_django import lesson_1_counter as lesson_1
from example_django import lesson_2_ballot as lesson_2
from example_django import lesson_3_full_pool as lesson_3
from example_django import lesson_4_needs as lesson_4
from example_django import lesson_5_watch as lesson_5

STATIC = Path(__file__).resolve().parent / "static"

urlpatterns = [
    path("counter/", lesson_1.counter, name="counter"),
    path("", lesson_2.index, name="index"),
    path("name/", lesson_2.name, name="name"),
    path("board.json", lesson_2.board, name="board"),
    path("report/", lesson_3.report, name="report"),
    path("report/apart/", lesson_3.report_apart, name="report_apart"),
    path("vote/", lesson_4.vote, name="vote"),
    path("programme/", lesson_4.programme, name="programme"),
    path("", include(lesson_5)),
    # Three small files, which the application hands out itself. For more there is WhiteNoise.
    path("static/<path:path>", serve, {"document_root": STATIC}),
]

if lesson_5.has_toolbar():
    from debug_toolbar.toolbar import debug_toolbar_urls

    urlpatterns += debug_toolbar_urls()
