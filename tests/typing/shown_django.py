"""What docs/typing.md shows of views in Django."""

from django.http import HttpResponse

from redis_pool_ext.django.decorators import redis_required
from redis_pool_ext.django.requests import RedisHttpRequest


def index(request: RedisHttpRequest) -> HttpResponse:
    hits = request.redis.incr("hits")  # int
    request.redis.release()  # a leased client has this one
    return HttpResponse(hits)


@redis_required(budget=2.0)
async def page(request: RedisHttpRequest, number: int) -> HttpResponse:
    hits = await request.aredis.incr(f"hits:{number}")  # int
    return HttpResponse(hits)
