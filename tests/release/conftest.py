"""The wheel and the source, built once from what would be released, and empty environments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parent.parent.parent

# Installing needs longer than any other test: the index is asked, wheels may be fetched.
TIMEOUT = 300.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(2 * TIMEOUT))


def run(*command: object, cwd: Path | None = None, **environment: str) -> str:
    """Run a program, and return what it says; a failure shows all of it."""
    ended = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
        cwd=cwd or ROOT,
        env=os.environ | environment,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@dataclass(frozen=True, slots=True)
class Built:
    """What would be uploaded, and what it was made of."""

    source: Path
    wheel: Path
    sdist: Path


def tracked() -> list[str]:
    """Return what is part of the project, new files that are not ignored included."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build in a copy: what else lies in a checkout is in no wheel, and nothing is left there."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "built"
    with FileLock(shared / "built.lock"):
        if not folder.exists():
            _build(folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(shared / "copy", wheel, sdist)


def _build(folder: Path) -> None:
    copy = folder.parent / "copy"
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    made = folder.parent / "made"
    # The wheel is built from the source distribution: so that one is complete enough.
    run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", made, copy)
    made.rename(folder)


@pytest.fixture
def install(built: Built, tmp_path: Path) -> Callable[..., Path]:
    """Install the wheel with some extras into an empty environment; return its Python."""

    def made(*extras: str) -> Path:
        folder = tmp_path / "-".join(("with", *extras))
        python = folder / "bin" / "python"
        run("uv", "venv", "--quiet", "--python", sys.executable, folder)
        wanted = f"{built.wheel}[{','.join(extras)}]" if extras else built.wheel
        run("uv", "pip", "install", "--quiet", "--python", python, wanted)
        return python

    return made


@pytest.fixture
def contents(built: Built) -> list[str]:
    """The names of the files in the wheel."""
    with zipfile.ZipFile(built.wheel) as wheel:
        return wheel.namelist()
