"""A Django project in one file: settings, views, addresses; REDIS_URL says where the server is."""

import os
import threading

from django.http import HttpResponse
from django.urls import path

SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = __name__
INSTALLED_APPS = ["redis_pool_ext.django"]
MIDDLEWARE = ["redis_pool_ext.django.middleware.RedisPoolMiddleware"]
REDIS_POOLS = {
    "default": {"URL": os.environ["REDIS_URL"], "MAX_CONNECTIONS": 2, "TIMEOUT": 0.2},
    "spare": os.environ["REDIS_URL"],
}
CACHES = {"default": {"BACKEND": "redis_pool_ext.django.cache.RedisPoolCache"}}


def hit(request):
    return HttpResponse(request.redis.incr("hits"))


def hold(request):
    request.redis.incr("held")
    threading.Event().wait(float(request.GET["seconds"]))
    return HttpResponse("held")


def report(request):
    request.redis.incr("held")
    while not os.path.exists(request.GET["until"]):
        threading.Event().wait(0.02)
    return HttpResponse("report")


urlpatterns = [path("hit", hit), path("hold", hold), path("report", report)]
