"""What docs/typing.md shows of Django REST framework."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from redis_pool_ext.django.requests import RedisRequestMixin


class RedisRequest(RedisRequestMixin, Request):
    pass


class Votes(APIView):
    def post(self, request: RedisRequest) -> Response:
        return Response({"votes": request.redis.incr("votes")})
