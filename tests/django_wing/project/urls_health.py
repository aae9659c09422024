"""The views for load balancers, beside one that works."""

from django.urls import include, path

from .views import hits

urlpatterns = [
    path("health/", include("redis_pool_ext.django.health")),
    path("hits/", hits),
]
