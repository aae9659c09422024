"""The wheel where nothing else is installed: all of the package is in it, and imports.

`tox -e wheel` runs it there, so it needs the standard library only: `python -I alone.py`.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterable
from importlib.metadata import files, version
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "redis_pool_ext"
PLUGIN = "redis_pool_ext_pytest.py"


def meant(root: Path = ROOT) -> set[str]:
    """Return what a wheel has of ours: all that lies in the package's folder, and the plugin."""
    return {PLUGIN} | {
        path.relative_to(root).as_posix()
        for path in (root / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def complaints(contents: Iterable[str]) -> list[str]:
    """Tell what a wheel with these files lacks, and what it has too much."""
    contents = {name for name in contents if "__pycache__" not in name}
    folders = {name.partition("/")[0] for name in contents}
    about = {name.partition(".dist-info/")[2] for name in contents if ".dist-info/" in name}
    ours = {name for name in contents if name == PLUGIN or name.startswith(f"{PACKAGE}/")}
    return [
        *(f"is not in the wheel: {name}" for name in sorted(meant() - ours)),
        *(f"is in the wheel: {name}" for name in sorted(ours - meant())),
        *(f"is in the wheel: {name}/" for name in sorted(folders) if not _is_ours(name)),
        *(["is not in the wheel: LICENSE"] if "licenses/LICENSE" not in about else []),
    ]


def _is_ours(top: str) -> bool:
    return top in {PACKAGE, PLUGIN} or top.startswith(f"{PACKAGE}-")


def main() -> None:
    """End with the complaints, if there are any; then import every module."""
    found = complaints(str(name) for name in files("redis-pool-ext") or ())
    if found:
        raise SystemExit("\n".join(found))
    runpy.run_path(str(Path(__file__).parent / "inside" / "modules.py"), run_name="__main__")
    print(f"redis-pool-ext {version('redis-pool-ext')}: complete, and imports")


if __name__ == "__main__":
    main()
