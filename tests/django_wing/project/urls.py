"""Every view below its own name."""

from django.urls import path

from . import aviews, views

urlpatterns = [
    *(
        path(f"{view.__name__}/", view)
        for view in (
            views.hits,
            views.quiet,
            views.stubborn,
            views.client_class,
            views.lazy_template,
            views.writes_session,
            views.everything,
            views.wrong_command,
            views.wraps_the_error,
            views.raises,
            views.exits,
            views.dirty,
            views.stream,
            views.stream_begun,
            views.file,
            views.async_hits,
            views.async_quiet,
            views.async_endless,
            views.async_blocks,
            views.async_stream,
            views.async_stream_endless,
        )
    ),
    *(path(f"aredis/{view.__name__}/", view) for view in aviews.ALL),
    path("dirty_class/", views.DirtyView.as_view()),
]
