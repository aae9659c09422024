"""Both protocols of Redis."""

from __future__ import annotations

import pytest

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3])
