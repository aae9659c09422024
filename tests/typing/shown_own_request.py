"""What docs/typing.md shows of a project's own request class."""

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.views import View

from redis_pool_ext.django.requests import RedisRequestMixin


class MemberRequest(RedisRequestMixin, HttpRequest):
    user: User  # pyright: ignore[reportIncompatibleVariableOverride]  # behind @login_required


class Profile(View):
    def get(self, request: MemberRequest) -> HttpResponse:
        return HttpResponse(request.redis.get(f"profile:{request.user.pk}"))
