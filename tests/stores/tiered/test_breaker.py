"""The breaker: examples, and any order of failures, probes and time."""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headway import clock
from headway.stores.tiered.breaker import Breaker
from headway.testing import FakeClock

EVERY_S = 0.5


@pytest.fixture
def time() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


async def test_a_failure_takes_it_down_and_an_answer_brings_it_back(time: FakeClock) -> None:
    breaker = Breaker(EVERY_S)
    assert breaker.failed(breaker.turn, "refused")
    assert (breaker.state, breaker.reason, breaker.wait_s()) == ("down", "refused", EVERY_S)
    await time.advance(EVERY_S)
    assert breaker.begin_probe()
    assert breaker.answered()
    assert (breaker.state, breaker.reason) == ("up", "")


def test_only_the_first_failure_counts(time: FakeClock) -> None:
    breaker = Breaker(EVERY_S)
    assert [breaker.failed(breaker.turn, why) for why in ("first", "second")] == [True, False]
    assert breaker.reason == "first"


async def test_what_began_before_it_came_back_does_not_take_it_down(time: FakeClock) -> None:
    breaker = Breaker(EVERY_S)
    turn = breaker.turn
    breaker.failed(turn, "refused")
    breaker.answered()
    assert not breaker.failed(turn, "a command of before")
    assert breaker.is_up


async def test_probes_keep_their_distance(time: FakeClock) -> None:
    breaker = Breaker(EVERY_S)
    breaker.failed(breaker.turn, "refused")
    assert not breaker.begin_probe()
    await time.advance(EVERY_S)
    assert [breaker.begin_probe(), breaker.begin_probe()] == [True, False]
    await time.advance(EVERY_S - 0.01)
    assert not breaker.begin_probe()


class AnyOrder(RuleBasedStateMachine):
    """Several users at once, who began their attempts at different times."""

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeClock()
        self.using = clock.use(self.time)
        self.using.__enter__()
        self.breaker = Breaker(EVERY_S)
        self.turns = [self.breaker.turn]
        self.opened: list[float] = []
        self.probes: list[float] = []

    def teardown(self) -> None:
        self.using.__exit__(None, None, None)

    @rule(seconds=st.floats(0, 2))
    def wait(self, seconds: float) -> None:
        self.time._elapsed += seconds

    @rule()
    def begin(self) -> None:
        self.turns.append(self.breaker.turn)

    @rule(which=st.integers(0, 9))
    def fail(self, which: int) -> None:
        turn = self.turns[which % len(self.turns)]
        was_up = self.breaker.is_up
        opened = self.breaker.failed(turn, "refused")
        assert opened == (was_up and turn == self.breaker.turn)
        if opened:
            self.opened.append(clock.monotonic())

    @rule()
    def probe(self) -> None:
        if self.breaker.begin_probe():
            assert not self.breaker.is_up
            self.probes.append(clock.monotonic())

    @rule()
    def probe_answered(self) -> None:
        """As its owner does: only who made a probe has an answer."""
        if self.breaker.begin_probe():
            self.probes.append(clock.monotonic())
            assert self.breaker.answered()

    @invariant()
    def openings_are_an_interval_apart(self) -> None:
        for earlier, later in zip(self.opened, self.opened[1:]):
            assert later - earlier >= EVERY_S - 1e-9

    @invariant()
    def probes_are_an_interval_apart(self) -> None:
        for earlier, later in zip(self.probes, self.probes[1:]):
            assert later - earlier >= EVERY_S - 1e-9


TestAnyOrder = AnyOrder.TestCase
