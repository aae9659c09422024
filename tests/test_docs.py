"""What the documentation says of the settings is so, and its code runs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from redis_pool_ext import RedisPool
from redis_pool_ext.rules import POOL_RULES

from .test_readme import run

PAGE = Path(__file__).parent.parent / "docs" / "life-of-a-connection.md"
SETTING = re.compile(r"^### `([A-Z_]+)`: ([^\n]+)\n\n(.*?)(?=\n#|\Z)", re.MULTILINE | re.DOTALL)
SETTINGS = {name.lower(): (kind, text) for name, kind, text in SETTING.findall(PAGE.read_text())}


def test_page_has_every_setting_and_no_other():
    """One heading each."""
    assert SETTINGS.keys() == POOL_RULES.keys()


@pytest.mark.parametrize("name", POOL_RULES)
def test_setting_is_told_with_type_default_and_reason(name):
    """The default is the constructor's, and the type allows for it."""
    kind, text = SETTINGS[name]
    default = inspect.signature(RedisPool.__init__).parameters[name].default
    shown = f'`"{default}"`' if isinstance(default, str) else str(default)

    assert re.search(rf"Default: {re.escape(shown)}[.,]", text), text
    assert type(default).__name__ in kind or (default is None and "None" in kind)
    assert len(text.partition("Default: ")[2]) > 60  # and why


def test_code_runs(url):
    """The comment shows what the last line prints."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)

    assert run(block, url).strip() == block.strip().rpartition("# ")[2]
