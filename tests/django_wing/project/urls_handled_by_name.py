"""The handler as Django's own are often given: by name."""

from .urls import urlpatterns

__all__ = ["handler503", "urlpatterns"]

handler503 = "tests.django_wing.project.urls_handled.handler503"
