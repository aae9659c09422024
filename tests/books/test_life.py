"""The limits of a connection's life, without a pool."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_pool_ext.books.life import JITTER, LOOK_AFTER, Life

moments = st.floats(min_value=0, max_value=1e7)
seconds = st.floats(min_value=1e-3, max_value=1e6)


def life(**limits) -> Life:
    return Life(
        **{"max_idle": None, "idle_timeout": None, "max_lifetime": None, "validate_after": None}
        | limits
    )


class TestExpiry:
    """How old a connection gets."""

    @given(born=moments, limit=seconds)
    def test_life_is_cut_by_a_quarter_at_most(self, born: float, limit: float):
        """Never longer than `max_lifetime`, never shorter than three quarters of it."""
        lived = life(max_lifetime=limit).expiry(born) - born

        assert limit * (1 - JITTER) - 1e-6 <= lived <= limit + 1e-6

    def test_connections_made_together_do_not_expire_together(self):
        """A cold start is not followed by another one, half an hour later."""
        expiries = [life(max_lifetime=100).expiry(0) for _ in range(200)]

        assert len(set(expiries)) > 190
        assert min(expiries) < 80
        assert max(expiries) > 95

    @given(born=moments)
    def test_no_limit_is_for_ever(self, born: float):
        """None: a connection is never too old."""
        assert life().expiry(born) == math.inf


class TestIdling:
    """How long and how many may idle."""

    @given(limit=seconds, idle_for=moments)
    def test_idle_timeout_counts_from_the_second_that_it_names(self, limit, idle_for):
        """As long as that is too long already."""
        assert life(idle_timeout=limit).is_too_long(idle_for) == (idle_for >= limit)

    @given(idle_for=moments)
    def test_without_idle_timeout_nothing_idles_too_long(self, idle_for):
        """None: however long."""
        assert not life().is_too_long(idle_for)

    @pytest.mark.parametrize(
        ("max_idle", "idle", "enough"),
        [(None, 10**6, False), (0, 0, True), (2, 1, False), (2, 2, True), (2, 3, True)],
    )
    def test_max_idle_is_the_number_that_may_idle(self, max_idle, idle, enough):
        """With so many there already, one more is too much."""
        assert life(max_idle=max_idle).are_enough(idle) is enough


class TestAsking:
    """When a look is not enough, and when not even that is needed."""

    @given(limit=st.just(0) | seconds, idle_for=moments)
    def test_one_is_asked_from_validate_after_on(self, limit, idle_for):
        """0: always."""
        assert life(validate_after=limit).is_to_be_asked(idle_for) == (idle_for >= limit)

    @given(idle_for=moments)
    def test_without_validate_after_nobody_is_asked(self, idle_for):
        """None: never."""
        assert not life().is_to_be_asked(idle_for)

    @pytest.mark.parametrize(
        ("validate_after", "fresh_for"),
        [(None, LOOK_AFTER), (30.0, LOOK_AFTER), (LOOK_AFTER / 2, LOOK_AFTER / 2), (0, 0)],
    )
    def test_who_is_always_asked_is_never_fresh(self, validate_after, fresh_for):
        """What was in use a moment ago needs no look, unless every one is to be asked."""
        assert life(validate_after=validate_after).fresh_for == fresh_for
