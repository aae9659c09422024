"""The demo with Django."""

from .contract import DemoContract


class TestDemoWithDjango(DemoContract):
    """`demo --framework django`."""

    framework = "django"
