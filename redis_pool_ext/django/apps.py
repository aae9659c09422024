"""The app: what happens once, when Django starts. Nothing here connects to Redis."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import setting_changed

from ..status.desk import open_desk_when_serving
from . import checks, deployment, handover, misspelt, seam, serving

__all__ = ["RedisPoolConfig"]


class RedisPoolConfig(AppConfig):
    """`"redis_pool_ext.django"` in `INSTALLED_APPS`."""

    name = "redis_pool_ext.django"
    label = "redis_pool_ext"  # Django would take the last part of the name
    verbose_name: str = "Redis pool"

    def ready(self) -> None:
        """Hand the settings over, register the checks, install the 503, announce the desk.

        Does not raise on wrong settings: `manage.py check` has to come up to name them.
        """
        handover.hand_over()
        register(checks.check_pools, checks.TAG)
        register(checks.check_middleware, checks.TAG)
        register(checks.check_caches, checks.TAG)
        register(checks.check_sessions, checks.TAG)
        register(checks.check_health, checks.TAG)
        register(checks.check_requests, checks.TAG)
        register(checks.check_threads, checks.TAG)
        register(checks.check_timing, checks.TAG)
        register(misspelt.check_names, checks.TAG)
        register(deployment.check_deployment, checks.TAG, deploy=True)
        setting_changed.connect(handover.setting_has_changed, dispatch_uid="redis_pool_ext")
        seam.install()
        if not serving.is_command():
            open_desk_when_serving()
