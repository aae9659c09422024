"""Where a command prints, and what it cannot do, as one sentence."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Output", "UsageError", "need_rich"]

WIDTH = 100  # columns, where there is no terminal to ask


class UsageError(Exception):
    """A sentence for whoever gave the command; it ends with status 2."""


def need_rich() -> None:
    """Raise `UsageError` where there is nothing to draw tables with."""
    if find_spec("rich") is None:
        raise UsageError(
            "tables need rich, which is not installed: pip install 'redis-pool-ext[cli]', or give "
            "--json"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Standard output and error, or what stands in their place.

    `colour`: None asks the terminal; `NO_COLOR` in the environment is heard in any case.
    """

    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    colour: bool | None = None

    @property
    def is_terminal(self) -> bool:
        """Tell whether a person looks at it, most likely."""
        return self.out.isatty()

    def json(self, data: dict[str, Any], *, in_one_line: bool = False) -> None:
        """Print plain data."""
        indent = None if in_one_line else 2
        print(json.dumps(data, indent=indent, ensure_ascii=True), file=self.out, flush=True)

    def line(self, text: str) -> None:
        """Print one line at once, whoever reads it."""
        print(text, file=self.out, flush=True)

    def console(self) -> Console:
        """Return rich's console; nothing that is printed is taken for markup."""
        from rich.console import Console

        knows_width = self.is_terminal or "COLUMNS" in os.environ
        return Console(
            file=self.out,
            width=None if knows_width else WIDTH,
            no_color=True if self.colour is False else None,
            force_terminal=True if self.colour else None,
            markup=False,
            highlight=False,
            emoji=False,
        )
