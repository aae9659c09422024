"""The same views, and a 503 handler that is the project's own."""

from django.http import HttpResponse

from .urls import urlpatterns
from .views import Stage

__all__ = ["handler503", "urlpatterns"]


def handler503(request, exception):
    Stage.seen.append(exception)
    return HttpResponse(f"come back to {request.path}", headers={"Retry-After": "77"})
