"""What the demo has to do with either framework; a test module names the framework."""

from __future__ import annotations

import re
import signal
from http.client import HTTPConnection
from pathlib import Path

import pytest

from .process import DemoProcess


class DemoContract:
    """Inherited by one class per framework."""

    framework: str

    def test_once_ends_with_status_0(self, finished: DemoProcess) -> None:
        """`--once` ends by itself, without a complaint."""
        assert finished.process.returncode == 0, finished.text

    def test_once_names_server_and_framework(self, finished: DemoProcess) -> None:
        """The first lines say which Redis runs, and whose example."""
        assert re.search(r"Redis +redis-server from", finished.text)
        assert re.search(rf"Example +{self.framework.capitalize()} on waitress", finished.text)

    def test_once_shows_fewer_connections_with_the_pool(self, finished: DemoProcess) -> None:
        """The table counts thousands of connections without the pool, at most four with it."""
        anew = _cells(finished.text, "a connection each")
        pooled = _cells(finished.text, "one pool")
        assert anew[0] == anew[1] == pooled[0] == "2,400"
        assert 1 <= int(pooled[1]) <= 4

    def test_once_counts_the_refused(self, finished: DemoProcess) -> None:
        """Twelve visitors too many are answered 503, and the pool says so, too."""
        assert _cells(finished.text, "come too early")[:3] == ["12", "-", "12"]
        assert _cells(finished.text, "refused")[:2] == ["12 x 503", "timed_out 12"]

    def test_once_serves_the_others(self, finished: DemoProcess) -> None:
        """Who holds a connection and who waits in turn are answered 200."""
        assert _cells(finished.text, "take every connection")[:3] == ["4", "4", "-"]
        assert _cells(finished.text, "come late enough")[:3] == ["8", "8", "-"]

    def test_once_finds_all_numbers_in_agreement(self, finished: DemoProcess) -> None:
        """What visitors saw and what the pool counted fit, five times."""
        assert len(re.findall(r"│ +yes │", finished.text)) == 5

    def test_once_without_terminal_prints_no_progress(self, finished: DemoProcess) -> None:
        """A log gets no bars, no escape codes, and lines of a sane width."""
        assert "\x1b" not in finished.text
        assert "━" not in finished.text
        assert max(map(len, finished.text.splitlines())) <= 100

    def test_once_leaves_nothing_behind(self, finished: DemoProcess) -> None:
        """No server and no temporary folder stay."""
        assert not finished.left_a_server()
        assert [path.name for path in finished.folder.iterdir()] == ["output"]

    @pytest.mark.parametrize("part", ["1. The same work", "2. A burst"])
    def test_signal_while_measuring_ends_cleanly(self, part: str, tmp_path: Path) -> None:
        """Who has seen enough may leave early, and leaves nothing behind either."""
        with DemoProcess(tmp_path, "demo", "--framework", self.framework) as demo:
            demo.prints(part)
            demo.process.send_signal(signal.SIGINT)
            assert demo.ends() == 0, demo.text
            assert demo.text.endswith("Stopped.\n")
            assert not demo.left_a_server()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_signal_while_serving_ends_cleanly(
        self, number: signal.Signals, tmp_path: Path
    ) -> None:
        """Ctrl-C and SIGTERM end the serving form with 0, and everything it started."""
        with DemoProcess(tmp_path, "demo", "--framework", self.framework) as demo:
            address = demo.prints(r"Open +http://127\.0\.0\.1:(\d+)/")
            demo.prints(r"Status +http://127\.0\.0\.1:\d+/redis-pool/")
            demo.prints(r"Stop +Ctrl-C")
            assert _status(int(address[1])) == _status(int(address[1]), "/redis-pool/") == 200
            demo.process.send_signal(number)
            assert demo.ends() == 0, demo.text
            assert demo.text.endswith("Stopped.\n")
            assert not demo.left_a_server()


def _cells(text: str, first: str) -> list[str]:
    """Return the cells after the one that says `first`, in the first row that has it."""
    rows = ([cell.strip() for cell in line.split("│")] for line in text.splitlines())
    return next(row[2:-1] for row in rows if row[1:2] == [first])


def _status(port: int, path: str = "/") -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
