"""An app for views with policies of their own."""

from __future__ import annotations

import pytest
from flask import Flask

from ..kinds import make


@pytest.fixture
def app(url: str) -> Flask:
    """An app with two pools of one connection each."""
    return make(url)
