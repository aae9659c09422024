"""Fetch Django's tests, and run them on our backend, on a real redis-server."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path

import django
from django.test.utils import get_runner

from redis_pool_ext.embedded import EmbeddedRedis

from .fetch import tests_of_django


def main() -> int:
    """Return the number of failures; an argument names the folder to keep Django's tests in."""
    with tempfile.TemporaryDirectory() as temporary, EmbeddedRedis() as server:
        sys.path.insert(0, str(tests_of_django(Path((sys.argv[1:] or [temporary])[0]))))
        os.environ["REDIS_POOL_EXT_SUITE_URL"] = server.url
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_suite.settings"
        django.setup()
        return run()


def run() -> int:
    from django.conf import settings

    from . import on_ours

    runner = get_runner(settings)(verbosity=1, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    try:
        tests = unittest.defaultTestLoader.loadTestsFromModule(on_ours)
        result = runner.run_suite(tests)
    finally:
        runner.teardown_databases(databases)
        runner.teardown_test_environment()
    for test, reason in sorted({(t._testMethodName, why) for t, why in result.skipped}):
        print(f"left out: {test}: {reason}")
    return len(result.failures) + len(result.errors) + (result.testsRun < 200)


sys.exit(main())
