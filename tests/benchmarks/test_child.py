"""Processes that do as they are told."""

from __future__ import annotations

import os

import pytest

from benchmarks.child import Child, ChildError

WORKER = "benchmarks.web.worker"
ARGUMENTS = ("flask", "no Redis", "redis://127.0.0.1:1/0")


def test_child_that_fails_says_why():
    """Its traceback is in the error that the parent sees."""
    with Child(WORKER, *ARGUMENTS) as child, pytest.raises(ChildError, match="KeyError: 'dance'"):
        child.ask("dance")


def test_child_ends_with_its_block():
    """Nothing is left running, and there is no zombie either."""
    with Child(WORKER, *ARGUMENTS) as child:
        child.ask("page", path="/0")
        pid = child.pid

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_application_that_answers_with_an_error_is_not_measured():
    """A page that is not there would be quick."""
    with Child(WORKER, *ARGUMENTS) as child, pytest.raises(ChildError, match="404"):
        child.ask("run", path="/nothing/here", number=2)
