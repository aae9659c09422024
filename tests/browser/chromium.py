"""Which browser: Debian's Chromium, or what goes by its name."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """Return the program's path; raises `RuntimeError`, which says what to install."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError(
            f"no browser is on PATH ({', '.join(NAMES)}): apt-get install --no-install-recommends "
            "chromium"
        )
    return found
