"""On the wire the leased client says what redis-py's own says, and reads the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .calls import DANGEROUS, LIVE, MODULES
from .pairs import CONFIGURATIONS, FEW, pair
from .recorder import Call, Recorder, assert_same
from .replies import for_protocol
from .stub import StubServer

# Commands that redis-py calls deprecated or experimental are commands, too.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:.*experimental:UserWarning"
)

ALL = LIVE | MODULES | DANGEROUS


class WireRecorder(Recorder):
    """Notes with each outcome what was sent for it, and how often it dialled."""

    stub: StubServer

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.stub.forget()
        reply = super()._call(name, *args, **kwargs)
        if self.log:
            last = self.log[-1]
            wire = list(self.stub.received), self.stub.take_accepted()
            self.log[-1] = Call(last.name, last.text, (last.outcome, *wire))
        return reply


def talk(stub: StubServer, client: Any, calls: Callable[[Recorder], None]) -> list[Call]:
    recorder = type("Recorder", (WireRecorder,), {"stub": stub})(client)
    calls(recorder)
    return recorder.log


@pytest.mark.parametrize("group", ALL)
@pytest.mark.parametrize("configuration", FEW)
def test_same_bytes_and_the_same_from_any_reply(stub, configuration, group):
    """Whatever is answered to a call, also what no server would answer to it."""
    options = CONFIGURATIONS[configuration]
    with pair(stub.url, **options) as (ours, theirs):
        for name, reply in for_protocol(options["protocol"]).items():
            stub.reply = reply
            mine, other = (talk(stub, client, ALL[group]) for client in (ours, theirs))
            assert_same(mine, other, f"when the reply is: {name}")
