"""A session against a model: sequences and interleavings of random reads and writes."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import pytest

from headway import clock
from headway.testing import FakeClock
from headway.tools import UNKNOWN, Effects, Guard, session
from tests.policies.shared_store import Server, SharedView

LEAVES = [f"{kind}{by}{name}" for kind in "ab" for by in ":/" for name in ("x", "y", "x/1", "y:2")]
WILD = ["*", "a:*", "a/*", "b:*", "b/*", "a:x/*", "b/y:*"]


def below(resource: str) -> list[str]:
    """The leaves that *resource* stands for."""
    if resource.endswith("*"):
        return [leaf for leaf in LEAVES if leaf.startswith(resource[:-1])]
    return [resource]


@dataclass(frozen=True)
class Question:
    """A tool, known by what it touches: equal questions touch the same."""

    touches: tuple[str, ...]
    number: int = 0
    """There are several tools that touch the same."""

    @property
    def leaves(self) -> frozenset[str]:
        return frozenset(leaf for resource in self.touches for leaf in below(resource))

    @property
    def arguments(self) -> dict[str, object]:
        return {"touches": list(self.touches), "number": self.number}


def touched(chance: random.Random) -> tuple[str, ...]:
    from_all = [*LEAVES, *LEAVES, *WILD]
    return tuple(chance.choice(from_all) for _ in range(chance.choice([1, 1, 1, 2, 3])))


read = Guard("read", lambda said: Effects(reads=tuple(said["touches"])))  # type: ignore[arg-type]
write = Guard("write", lambda said: Effects(writes=tuple(said["touches"])))  # type: ignore[arg-type]
unknown = Guard("unknown", lambda said: UNKNOWN)


class Oracle:
    """Which reads need not run: those whose leaves nobody has written since they last ran."""

    def __init__(self) -> None:
        self.world: Counter[str] = Counter()
        self.known: dict[Question, tuple[tuple[str, int], ...]] = {}
        self.hits = 0

    def seen(self, question: Question) -> tuple[tuple[str, int], ...]:
        return tuple((leaf, self.world[leaf]) for leaf in sorted(question.leaves))

    def read(self, question: Question) -> bool:
        is_known = question in self.known
        self.hits += is_known
        self.known[question] = self.seen(question)
        return is_known

    def write(self, leaves: frozenset[str]) -> None:
        self.world.update(leaves)
        self.known = {
            asked: seen for asked, seen in self.known.items() if not asked.leaves & leaves
        }


async def one_after_another(seed: int) -> Counter[str]:
    chance, oracle, counts = random.Random(seed), Oracle(), Counter[str]()
    questions = [Question(touched(chance), number) for number in range(4)]
    async with session() as here:
        for _ in range(chance.randint(5, 40)):
            kind = chance.random()
            if kind < 0.72:
                question = chance.choice(questions)
                was_known, ran = oracle.read(question), False

                async def run(asked: Question = question) -> object:
                    nonlocal ran
                    ran = True
                    return oracle.seen(asked)

                assert await read.call(question.arguments, run) == oracle.seen(question), "stale"
                assert ran is not was_known, f"seed {seed}: {question}"
                counts["reads"] += 1
            else:
                guard, leaves = write, Question(touched(chance))
                if kind > 0.96:
                    guard = unknown
                written = frozenset(LEAVES) if guard is unknown else leaves.leaves
                fails = chance.random() < 0.2

                async def change(written: frozenset[str] = written, fails: bool = fails) -> None:
                    oracle.write(written)
                    if fails:
                        raise LookupError

                try:
                    await guard.call(leaves.arguments, change)
                except LookupError:
                    assert fails
        tools = here.statistics().tools
    counts["hits"] = tools["read"].hit if "read" in tools else 0
    assert counts["hits"] == oracle.hits
    return counts


def play_sequences(count: int) -> None:
    total = Counter[str]()
    for seed in range(count):
        total.update(asyncio.run(one_after_another(seed)))
    assert 0.2 < total["hits"] / total["reads"] < 0.8, "the model tests nothing"


def test_every_read_whose_resources_are_untouched_is_a_hit_and_no_other() -> None:
    play_sequences(500)


@pytest.mark.slow
def test_the_same_with_ten_thousand_sequences() -> None:
    play_sequences(10_000)


@dataclass
class Span:
    """A write: its leaves, and its first and last step, in moments that nobody shares."""

    leaves: frozenset[str]
    began: int | None = None
    ended: int | None = None
    has_returned: bool = False
    """Only then whoever waited for it knows of its end."""

    def must_be_newer_than(self, question: Question) -> int:
        """The moment before which no work may have begun that answers *question*."""
        if self.began is None or not self.leaves & question.leaves:
            return 0
        return self.ended if self.has_returned and self.ended is not None else self.began


@dataclass
class Model:
    """A world in which reads and writes take time, and what happened in it."""

    chance: random.Random
    moment: int = 0
    writes: list[Span] = field(default_factory=list)
    runs: int = 0
    stale: int = 0
    answered: int = 0

    def now(self) -> int:
        self.moment += 1
        return self.moment

    async def pause(self) -> None:
        for _ in range(self.chance.randint(0, 2)):
            await clock.sleep(self.chance.choice([0, 0, 0.001, 0.002, 0.005]))

    async def run_read(self) -> int:
        self.runs += 1
        began = self.now()
        await self.pause()
        if self.chance.random() < 0.05:
            raise LookupError
        return began

    async def run_write(self, span: Span) -> None:
        span.began = self.now()
        try:
            await self.pause()
            if self.chance.random() < 0.15:
                raise LookupError
        finally:
            span.ended = self.now()

    async def asks(self, question: Question) -> None:
        floor = max((span.must_be_newer_than(question) for span in self.writes), default=0)
        try:
            work_began = await read.call(question.arguments, self.run_read)
        except LookupError:
            return
        self.answered += 1
        self.stale += work_began < floor

    async def changes(self, question: Question, guard: Guard) -> None:
        span = Span(frozenset(LEAVES) if guard is unknown else question.leaves)
        self.writes.append(span)
        try:
            await guard.call(question.arguments, partial(self.run_write, span))
        except LookupError:
            pass
        finally:
            span.has_returned = True


async def actor(model: Model, questions: list[Question], steps: int) -> None:
    for _ in range(steps):
        await model.pause()
        kind, question = model.chance.random(), model.chance.choice(questions)
        if kind < 0.7:
            await model.asks(question)
        elif kind < 0.95:
            await model.changes(Question(touched(model.chance)), write)
        else:
            await model.changes(question, unknown)


async def at_once(seed: int, *, processes: int = 1) -> Model:
    chance = random.Random(seed)
    model, time, server = Model(chance), FakeClock(), Server()
    questions = [Question(touched(chance), number) for number in range(3)]
    with clock.use(time):
        before = asyncio.all_tasks()
        views = [SharedView(server) for _ in range(processes)] if processes > 1 else [None]
        actors = []
        for view in views:
            with session("of all", store=view):
                actors += [
                    asyncio.create_task(actor(model, questions, 6))
                    for _ in range(chance.randint(2, 4))
                ]
        for one in actors:
            if chance.random() < 0.2:
                time.call_later(chance.random() * 0.05, one.cancel)
        for _ in range(400):
            await time.advance("5ms")
            if all(one.done() for one in actors):
                break
        assert all(one.done() for one in actors), f"seed {seed}: somebody hangs"
        await time.advance("1s")
        assert asyncio.all_tasks() == before, f"seed {seed}: a task was left behind"
    for one in actors:
        if not one.cancelled():
            one.result()
    assert model.stale == 0, f"seed {seed}"
    return model


def play_at_once(count: int, *, processes: int = 1) -> None:
    runs = answered = 0
    for seed in range(count):
        model = asyncio.run(at_once(seed, processes=processes))
        runs, answered = runs + model.runs, answered + model.answered
    assert runs < 0.9 * answered, "the model tests nothing"


@pytest.mark.parametrize("processes", [1, 3])
def test_no_answer_is_older_than_a_write_that_began_before_the_question(processes: int) -> None:
    play_at_once(150, processes=processes)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])
def test_the_same_with_many_more_interleavings(processes: int) -> None:
    play_at_once(3_000, processes=processes)
