"""Django's tests, out of the source distribution of the Django that is installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import django

__all__ = ["tests_of_django"]


def tests_of_django(folder: Path) -> Path:
    """Return the folder with Django's tests, fetched into `folder` unless it is there."""
    name = f"django-{django.__version__}"
    if not (folder / name).exists():
        wanted = f"django=={django.__version__}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*pip, "--no-binary", "django", wanted], check=True)
        (archive,) = folder.glob("[dD]jango-*.tar.gz")
        with tarfile.open(archive) as source:
            source.extractall(folder, filter="data")
    return folder / name / "tests"
