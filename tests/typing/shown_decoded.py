"""What docs/typing.md shows of decoded replies."""

from typing import cast

from redis_pool_ext import get_redis

name = cast("str | None", get_redis().get("name"))  # with "decode_responses": True in OPTIONS
