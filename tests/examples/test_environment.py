"""What the examples read from the environment, and how they refuse what makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from example_django import environment
from example_django.environment import EnvironmentVariableError, flag, names, seconds, whole


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (lambda: flag("POLL"), "1", True),
        (lambda: flag("POLL"), "False", False),
        (lambda: flag("POLL"), "", False),
        (lambda: whole("POLL", 4), "16", 16),
        (lambda: whole("POLL", 4), "", 4),
        (lambda: seconds("POLL", 1.0), "0.5", 0.5),
        (lambda: seconds("POLL", 1.0), "", 1.0),
        (lambda: names("POLL", "here"), "a.example, b.example,", ["a.example", "b.example"]),
    ],
)
def test_value_is_read(
    read: Callable[[], Any], text: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set to nothing is as good as not set."""
    monkeypatch.setenv("POLL", text)
    assert read() == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda: flag("POLL"), "maybe"),
        (lambda: whole("POLL", 4), "0"),
        (lambda: whole("POLL", 4), "-1"),
        (lambda: whole("POLL", 4), "4.5"),
        (lambda: seconds("POLL", 1.0), "soon"),
        (lambda: seconds("POLL", 1.0), "-1"),
        (lambda: seconds("POLL", 1.0), "nan"),
    ],
)
def test_value_that_makes_no_sense_is_refused(
    read: Callable[[], Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name and value."""
    monkeypatch.setenv("POLL", text)
    with pytest.raises(EnvironmentVariableError, match=f"^POLL={text} is "):
        read()


def test_secret_of_a_developer_is_made_up_and_kept_for_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless there is one; a reloader's child has the same."""
    from example_django import development

    monkeypatch.setenv("REDIS_URL", "redis://redis.example:1/0")
    monkeypatch.setenv("SECRET_KEY", "")
    monkeypatch.delenv("SECRET_KEY")
    development.prepare()
    made = environment.required("SECRET_KEY", "make one")
    assert len(made) > 50
    development.prepare()
    assert environment.required("SECRET_KEY", "make one") == made
