"""Where the processes of one user meet: a folder of sockets, which nobody else can enter."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

__all__ = ["VARIABLE", "find_folder", "folder", "open_folder"]

# In the environment: another folder, or "off".
VARIABLE = "REDIS_POOL_STATUS_DIR"


def folder() -> Path | None:
    """Return the folder, there or not; None where it is switched off."""
    named = os.environ.get(VARIABLE)
    if named is None:
        return Path(_temporary()) / f"redis_pool_ext-{os.getuid()}"
    return None if named in {"", "off"} else Path(named)


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # none can be written to, which is for `open_folder` to say
        return "/tmp"


def find_folder() -> Path | None:
    """Return the folder, for asking; None where it is switched off or not there.

    Raises `PermissionError` as `open_folder` does.
    """
    place = folder()
    try:
        return place and _of_this_user_alone(place)
    except FileNotFoundError:
        return None


def open_folder() -> Path | None:
    """Return the folder, made if it was not there; None where it is switched off.

    Raises `PermissionError` for one that others could have put there, or can write to: whoever
    can name a socket there could pass for one of our processes. `OSError` where none can be made.
    """
    place = folder()
    if place is None:
        return None
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _of_this_user_alone(place)


def _of_this_user_alone(place: Path) -> Path:
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(
            f"{place} is not a folder of this user alone: remove it, or name another one in "
            f"{VARIABLE} (off: none)"
        )
    return place
