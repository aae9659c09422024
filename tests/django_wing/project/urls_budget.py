"""A view that makes whatever call it is asked for."""

from django.http import HttpResponse
from django.urls import path

from ...budget.calls import CALLS, CALLS_OF_TASKS


def call(request, name):
    return HttpResponse(str(CALLS[name](request.redis)))


async def acall(request, name):
    return HttpResponse(str(await CALLS_OF_TASKS[name](request.aredis)))


urlpatterns = [path("call/<name>/", call), path("acall/<name>/", acall)]
