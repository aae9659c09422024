"""Records of the log, for tests that are about one kind of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable


def but_waits(records: Iterable[logging.LogRecord]) -> list[logging.LogRecord]:
    """Leave out those of a long wait: one that was just as long as that may be there, or not."""
    return [record for record in records if "somebody waited" not in record.getMessage()]
