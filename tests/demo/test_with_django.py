"""The demo with Django."""

import os
import subprocess
import sys

from .contract import DemoContract


class TestDemoWithDjango(DemoContract):
    """`demo --framework django`."""

    framework = "django"


def test_settings_of_another_project_do_not_get_in_the_way(url):
    """A shell may have DJANGO_SETTINGS_MODULE set for somebody's own work."""
    program = f"from redis_pool_ext.demo.example import load; load('django', {url!r}).pool()"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "my_project.settings"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
