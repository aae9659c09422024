"""The demo with Flask."""

from .contract import DemoContract


class TestDemoWithFlask(DemoContract):
    """`demo --framework flask`."""

    framework = "flask"
