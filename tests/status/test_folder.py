"""The folder where the processes of one user meet."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from redis_pool_ext.status.folder import VARIABLE, find_folder, folder, open_folder


def test_folder_is_of_the_user_where_nothing_is_said(monkeypatch):
    """In the system's folder for temporary files, with the user's number in its name."""
    monkeypatch.delenv(VARIABLE, raising=False)

    assert folder() == Path(tempfile.gettempdir()) / f"redis_pool_ext-{os.getuid()}"


def test_folder_is_named_where_no_file_can_be_written(monkeypatch):
    """On a read-only disk: a command says where it has looked, and does not fail."""

    def gettempdir():
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", gettempdir)

    assert folder() == Path(f"/tmp/redis_pool_ext-{os.getuid()}")


@pytest.mark.parametrize("value", ["off", ""])
def test_folder_that_is_switched_off_is_none(monkeypatch, value: str):
    """Nobody answers, nobody is asked."""
    monkeypatch.setenv(VARIABLE, value)

    assert (folder(), open_folder(), find_folder()) == (None, None, None)


def test_open_folder_makes_one_that_nobody_else_may_enter(place):
    """Also the folders above it."""
    assert open_folder() == place
    assert place.stat().st_mode & 0o777 == 0o700


def test_folder_that_is_not_there_is_not_made_by_who_asks(place):
    """A command leaves nothing behind."""
    assert find_folder() is None
    assert not place.exists()


@pytest.mark.parametrize("look", [open_folder, find_folder])
@pytest.mark.parametrize("mode", [0o750, 0o701, 0o722])
def test_folder_that_others_may_enter_is_refused(place, look, mode: int):
    """Whoever can name a socket there could pass for one of our processes."""
    place.mkdir()
    place.chmod(mode)

    with pytest.raises(PermissionError, match=rf"not a folder of this user alone.*{VARIABLE}"):
        look()


@pytest.mark.parametrize("look", [open_folder, find_folder])
def test_folder_of_another_user_is_refused(place, monkeypatch, look):
    """As one that somebody has put into /tmp beforehand."""
    place.mkdir(mode=0o700)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)

    with pytest.raises(PermissionError):
        look()


@pytest.mark.parametrize("look", [open_folder, find_folder])
def test_link_to_a_folder_is_refused(place, look):
    """It may lead elsewhere a moment later."""
    target = place.parent / "target"
    target.mkdir(mode=0o700)
    place.symlink_to(target)

    with pytest.raises(PermissionError):
        look()
