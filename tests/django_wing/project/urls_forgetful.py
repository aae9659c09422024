"""A 503 handler that forgets to return."""

from .urls import urlpatterns

__all__ = ["handler503", "urlpatterns"]


def handler503(request, exception):
    pass
