"""Whose turn it is among tasks that share a lease."""

from __future__ import annotations

import asyncio

import pytest

from redis_pool_ext.aio.turn import Turn
from redis_pool_ext.deadline import Deadline

from .tasks import start


async def rest() -> None:
    """Let every task go on as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_owner_may_take_it_again():
    """As often as it likes; the turn is over when all of them were given back."""
    turn = Turn()
    assert turn.take_at_once("me")
    assert turn.take_at_once("me")
    turn.give()
    assert not turn.take_at_once("you")
    turn.give()
    assert turn.take_at_once("you")


async def test_turns_come_in_order_of_arrival():
    """Nobody overtakes one who waits, not even who asks in the moment it is given back."""
    turn = Turn()
    turn.take_at_once("first")
    waiting = [start(turn.take(name, Deadline(5))) for name in ("second", "third")]
    await rest()
    turn.give()

    assert not turn.take_at_once("newcomer")
    assert turn.is_of("second")
    assert await waiting[0]
    turn.give()
    assert await waiting[1]
    assert turn.is_of("third")


async def test_turn_that_does_not_come_is_not_taken():
    """After its deadline a task is out of the queue, and is given nothing."""
    turn = Turn()
    turn.take_at_once("first")
    assert not await turn.take("late", Deadline(0.01))
    turn.give()

    assert turn.depth == 0


@pytest.mark.parametrize("comes_first", ["the turn", "the cancellation"])
async def test_cancelled_task_passes_its_turn_on(comes_first: str):
    """Also if it was given in the same moment."""
    turn = Turn()
    turn.take_at_once("first")
    struck = start(turn.take("struck", Deadline(5)))
    patient = start(turn.take("patient", Deadline(5)))
    await rest()
    if comes_first == "the turn":
        turn.give()
        struck.cancel()
    else:
        struck.cancel()
        turn.give()

    assert await asyncio.wait_for(patient, 5)
    assert struck.cancelled()
    assert turn.is_of("patient")


async def test_turn_of_nobody_left_is_free():
    """Of those who waited, all have gone."""
    turn = Turn()
    turn.take_at_once("first")
    gone = [start(turn.take(number, Deadline(5))) for number in range(3)]
    await rest()
    for task in gone:
        task.cancel()
    await asyncio.wait(gone)
    turn.give()

    assert turn.take_at_once("newcomer")
