"""`app.register_blueprint(health.blueprint())`: `/health/live` and `/health/ready`.

For load balancers and Kubernetes.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from ..http import Answer
from ..status import health
from ..status.policy import SETTING, HealthPolicy
from ..web.view_policy import ALONE, mark

__all__ = ["blueprint"]


def blueprint(
    name: str = "redis_pool_health", *, url_prefix: str = "/health", **policy: Any
) -> Blueprint:
    """Return the two views, to be registered with an app.

    `policy` is what `app.config["REDIS_POOL_HEALTH"]` says otherwise, in small letters: `pools`,
    `degraded`, `timeout`, `details`. Raises `ConfigError` for a wrong one, here or, for what
    the config says, as the app gets the views.
    """
    given = {key.upper(): value for key, value in policy.items()}
    HealthPolicy.read(given, f"{__name__}.blueprint()")
    views = Blueprint(name, __name__, url_prefix=url_prefix)

    def policy_of(app: Any) -> HealthPolicy:
        where = f"app.config[{SETTING!r}]"
        configured = app.config.get(SETTING, {})
        return HealthPolicy.read(given or configured, where)

    def check(state: BlueprintSetupState) -> None:
        policy_of(state.app)

    views.record(check)
    rules: dict[str, Any] = {"methods": ["GET"], "strict_slashes": False}  # HEAD comes with it
    rules["provide_automatic_options"] = False

    def live() -> Response:
        return _response(health.alive())

    def ready() -> Response:
        return _response(health.ready(policy_of(current_app), request.args))

    views.add_url_rule("/live", "live", mark(live, ALONE), **rules)
    views.add_url_rule("/ready", "ready", mark(ready, ALONE), **rules)
    return views


def _response(answer: Answer) -> Response:
    return current_app.response_class(
        answer.body, answer.status, answer.headers, content_type=answer.content_type
    )
