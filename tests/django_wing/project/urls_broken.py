"""A 503 handler that itself fails: its template calls what raises."""

from django.template.response import TemplateResponse

from .urls import urlpatterns

__all__ = ["handler503", "urlpatterns"]


def handler503(request, exception):
    def hits():
        raise RuntimeError("the handler is broken, too")

    return TemplateResponse(request, "lazy.html", {"hits": hits})
