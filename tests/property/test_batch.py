"""Random batches: what one call after another would give, and one result each whatever happens."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway import clock
from headway.errors import CallTimedOut
from headway.policies import Timeout
from headway.testing import FakeClock
from headway.tools import UNKNOWN, Effects, conflict, tool
from headway.tools.batch import ToolBatch, execute_batch
from headway.tools.outcome import BatchOutcome, CallResult, ToolCall
from headway.tools.plan import Ask, Plan, planned

SEEDS = [
    pytest.param(range(300), id="some"),
    *[
        pytest.param(range(first, first + 1000), id=f"{first}", marks=pytest.mark.slow)
        for first in range(0, 10_000, 1000)
    ],
]

# The plan, against the rule read word by word.

resources = st.sampled_from(["a:1", "a:2", "a:1:x", "b:1", "c", "a:*", "a:1:*", "b:*", "*"])
some = st.lists(resources, max_size=2).map(tuple)
declared = st.builds(Effects, reads=some, writes=some)
effects = st.integers(0, 2).flatmap(lambda one: declared if one else st.just(UNKNOWN))


@st.composite
def batches(draw: st.DrawFn) -> list[Ask]:
    done = draw(st.lists(effects, min_size=1, max_size=4))
    asks: list[Ask] = []
    for place in range(draw(st.integers(1, 9))):
        which = draw(st.integers(0, len(done) - 1))
        earlier = st.lists(st.integers(0, place - 1), max_size=2) if place else st.just([])
        refers_to = tuple(draw(earlier)) if draw(st.booleans()) else ()
        key = (which, refers_to) if draw(st.booleans()) else None
        asks.append(Ask(done[which], key, refers_to))
    return asks


def sharing_by_the_rule(asks: Sequence[Ask]) -> list[int | None]:
    """The earlier call whose run each one shares: the last of its key, with no write between."""
    same_as: list[int | None] = []
    for place, ask in enumerate(asks):
        ran = [other for other in range(place) if same_as[other] is None]
        equal = [other for other in ran if ask.key is not None and asks[other].key == ask.key]
        first = equal[-1] if equal else None
        between = [other for other in ran if first is not None and other > first]
        is_open = any(
            not asks[other].effects.is_read and conflict(asks[other].effects, ask.effects)
            for other in between
        )
        same_as.append(None if is_open else first)
    return same_as


def all_before(plan: Plan) -> list[set[int]]:
    """For every call, all that have settled when it starts."""
    before: list[set[int]] = []
    for needs in plan.needs:
        before.append(set(needs).union(*(before[need] for need in needs)))
    return before


@settings(max_examples=500)
@given(batches())
def test_the_plan_keeps_every_order_that_matters_and_no_other(asks: list[Ask]) -> None:
    plan = planned(asks)
    before = all_before(plan)
    assert plan.same_as == sharing_by_the_rule(asks)
    for place, ask in enumerate(asks):
        if plan.same_as[place] is not None:
            assert plan.needs[place] == (plan.same_as[place],)
            continue
        referred = {
            other if (first := plan.same_as[other]) is None else first for other in ask.refers_to
        }
        assert referred <= set(plan.needs[place])
        for other in range(place):
            if plan.same_as[other] is None and conflict(asks[other].effects, ask.effects):
                assert other in before[place], (other, place)
        for need in set(plan.needs[place]) - referred:
            assert conflict(asks[need].effects, ask.effects), (need, place)


# A world of resources, changed by batches.

NAMES = ("a:1", "a:2", "b:1", "b:2", "c")
TOUCHES = (*NAMES, *NAMES, "a:*", "b:*", "*")

World = dict[str, int]


@dataclass
class Model:
    """The world, and what the calls saw of it."""

    world: World = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    wrong: list[str] = field(default_factory=list)
    running: int = 0
    peak: int = 0

    def seen(self, reads: Sequence[str]) -> list[int]:
        return [self.world[name] for name in touched(reads)]

    async def work(
        self, reads: Sequence[str], writes: Sequence[str], tag: object, turns: int
    ) -> dict[str, object]:
        """Read, take a while, look again, write: nobody else may have been at it meanwhile."""
        self.running += 1
        self.peak = max(self.peak, self.running)
        at_first, before = self.seen(reads), self.seen(writes)
        for _ in range(turns):
            await asyncio.sleep(0)
        if self.seen(reads) != at_first or self.seen(writes) != before:
            self.wrong.append(f"{tag}: changed under its hands")
        self.running -= 1
        return self.act(reads, writes, tag)

    def act(self, reads: Sequence[str], writes: Sequence[str], tag: object) -> dict[str, object]:
        seen = self.seen(reads)
        for name in touched(writes):
            self.world[name] = hash((*map(ord, str(tag)), *seen)) % 9973
        return {"seen": seen, "pick": 1 + sum(seen) % 2}


def touched(resources: Sequence[str]) -> list[str]:
    return [
        name
        for name in NAMES
        if any(
            name == resource or (resource.endswith("*") and name.startswith(resource[:-1]))
            for resource in resources
        )
    ]


here = Model()


@tool(
    reads=lambda reads, writes, tag, turns, given=None: reads,
    writes=lambda reads, writes, tag, turns, given=None: writes,
    volatile=["turns"],
)
async def act(
    reads: list[str], writes: list[str], tag: int, turns: int, given: object = None
) -> dict[str, object]:
    return await here.work(reads, writes, (tag, given), turns)


@tool(reads=["{group}:{at}"], volatile=["turns"])
async def look(group: str, at: object, turns: int) -> dict[str, object]:
    return await here.work([f"{group}:{at}"], [], "look", turns)


@tool(reads=["{group}:{at}"], writes=["{group}:{at}"], volatile=["turns"])
async def change(group: str, at: object, tag: int, turns: int) -> dict[str, object]:
    return await here.work([f"{group}:{at}"], [f"{group}:{at}"], tag, turns)


@tool(volatile=["turns"])
async def anything(tag: int, turns: int) -> dict[str, object]:
    return await here.work(["a:*"], ["*"], tag, turns)


TOOLS = (act, look, change, anything)


def random_calls(chance: random.Random) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for place in range(chance.randint(1, 10)):
        if calls and chance.random() < 0.25:
            again = chance.choice(calls)
            calls.append(ToolCall(f"c{place}", again.tool, again.arguments))
            continue
        name = chance.choice(["act", "act", "act", "look", "look", "change", "anything"])
        calls.append(ToolCall(f"c{place}", name, random_arguments(chance, name, place)))
    return calls


def random_arguments(chance: random.Random, name: str, place: int) -> dict[str, object]:
    turns, tag = chance.randint(0, 6), chance.randint(1, 3)
    picks = [f"${{c{earlier}.pick}}" for earlier in range(place)]
    at = chance.choice([1, 2, *picks[-3:]])
    if name == "act":
        writes = chance.sample(TOUCHES, chance.choice([0, 0, 1, 1, 2]))
        reads = chance.sample(TOUCHES, chance.choice([0, 1, 1, 2]))
        given = chance.choice([None, None, *picks])
        return {"reads": reads, "writes": writes, "tag": tag, "turns": turns, "given": given}
    if name == "anything":
        return {"tag": tag, "turns": turns}
    where = {"group": chance.choice("ab"), "at": at, "turns": turns}
    return where if name == "look" else {**where, "tag": tag}


def in_turn(calls: Sequence[ToolCall], shares_writes: bool) -> tuple[list[object], World]:
    """What the calls give one after another; a repeated write is shared by the rule, if at all."""
    model, values = Model(), dict[str, object]()
    ran: list[tuple[ToolCall, Effects]] = []
    for call in calls:
        arguments = resolved(call, values)
        declared = effects_of(call.name, call.arguments)
        first = shared_with(call, declared, ran) if shares_writes else None
        if first is not None and not declared.is_read:
            values[call.id] = values[first]
            continue
        ran.append((call, declared))
        values[call.id] = acted(model, call.name, arguments)
    return [values[call.id] for call in calls], model.world


def shared_with(
    call: ToolCall, declared: Effects, ran: list[tuple[ToolCall, Effects]]
) -> str | None:
    for other, effects in reversed(ran):
        if question(other) == question(call):
            return other.id
        if not effects.is_read and conflict(effects, declared):
            return None
    return None


def question(call: ToolCall) -> object:
    assert isinstance(call.arguments, dict)
    return call.name, {n: v for n, v in call.arguments.items() if n != "turns"}


def effects_of(name: str, arguments: object) -> Effects:
    """The effects as far as they can be told before the batch begins."""
    assert isinstance(arguments, dict)
    if name == "act":
        return Effects(tuple(arguments["reads"]), tuple(arguments["writes"]))
    if name == "anything":
        return UNKNOWN
    at = "*" if isinstance(arguments["at"], str) else arguments["at"]
    resource = (f"{arguments['group']}:{at}",)
    return Effects(resource, resource if name == "change" else ())


def resolved(call: ToolCall, values: dict[str, object]) -> dict[str, object]:
    assert isinstance(call.arguments, dict)
    found = dict(call.arguments)
    for name, value in found.items():
        if isinstance(value, str) and value.startswith("${"):
            earlier = values[value[2:].partition(".")[0]]
            assert isinstance(earlier, dict)
            found[name] = earlier["pick"]
    return found


def acted(model: Model, name: str, given: dict[str, object]) -> object:
    if name == "act":
        reads, writes = given["reads"], given["writes"]
        assert isinstance(reads, list)
        assert isinstance(writes, list)
        return model.act(reads, writes, (given["tag"], given["given"]))
    if name == "anything":
        return model.act(["a:*"], ["*"], given["tag"])
    where = [f"{given['group']}:{given['at']}"]
    return model.act(where, where if name == "change" else [], given.get("tag", "look"))


async def equal_to_sequence(seed: int) -> None:
    chance = random.Random(seed)
    calls, shares = random_calls(chance), chance.random() < 0.5
    at_once = chance.choice([1, 2, 3, 10])
    here.__init__()  # type: ignore[misc]
    outcome = await execute_batch(
        calls,
        tools=TOOLS,
        max_concurrency=at_once,
        share_writes=shares,
        skip_cache=chance.random() < 0.3,
    )
    values, world = in_turn(calls, shares)
    assert here.wrong == [], (seed, here.wrong)
    assert [(result.id, result.status) for result in outcome.results] == [
        (call.id, "done") for call in calls
    ], seed
    assert [result.value for result in outcome.results] == values, seed
    assert here.world == world, seed
    assert here.peak <= at_once


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_batch_gives_what_one_call_after_another_gives(seeds: range) -> None:
    async def all_of_them() -> None:
        for seed in seeds:
            await equal_to_sequence(seed)

    asyncio.run(all_of_them())


# Batches in which things go wrong.

SECONDS = (0, 0, 1, 1, 2, 3, 8)


@dataclass
class Trouble:
    """What happened in one batch."""

    chance: random.Random
    started: list[int] = field(default_factory=list)
    ended: dict[int, str] = field(default_factory=dict)
    running: int = 0
    crowd: int = 0
    is_over: bool = False
    late: list[int] = field(default_factory=list)

    def tools(self) -> dict[str, Callable[..., object]]:
        """One tool for each way to end, each once as a read and once undeclared."""
        found: dict[str, Callable[..., object]] = {}
        for how in WAYS:
            for kind in ("read", "write", "any"):
                found[f"{how} {kind}"] = self.made(how, kind)
        return found

    def made(self, how: str, kind: str) -> Callable[..., object]:
        async def body(number: int, seconds: int, at: str = "", needs: object = None) -> object:
            if self.is_over:
                self.late.append(number)
            self.started.append(number)
            self.running += 1
            self.crowd = max(self.crowd, self.running)
            try:
                value = await WAYS[how](seconds)
                self.ended[number] = "done"
                return (number, value)
            finally:
                self.running -= 1

        name = f"{how} {kind}"
        policies = [Timeout(2)] if how == "late" else []
        if kind == "read":
            return tool(reads=["{at}"], name=name, policies=policies)(body)
        if kind == "write":
            return tool(writes=["{at}"], name=name, policies=policies)(body)
        return tool(name=name, policies=policies)(body)


async def returns(seconds: int) -> str:
    await clock.sleep(seconds)
    return "value"


async def raises(seconds: int) -> str:
    await clock.sleep(seconds)
    raise LookupError("not there")


async def cancels_itself(seconds: int) -> str:
    await clock.sleep(seconds)
    raise asyncio.CancelledError


async def leaves_slowly(seconds: int) -> str:
    try:
        await clock.sleep(seconds)
    finally:
        await clock.sleep(1)
    return "value"


async def will_not_go(seconds: int) -> str:
    try:
        await clock.sleep(seconds)
    except asyncio.CancelledError:
        return "value"
    return "value"


async def fails_leaving(seconds: int) -> str:
    try:
        await clock.sleep(seconds)
    except asyncio.CancelledError:
        raise LookupError("while it left") from None
    return "value"


WAYS = {
    "returns": returns,
    "raises": raises,
    "cancels itself": cancels_itself,
    "leaves slowly": leaves_slowly,
    "will not go": will_not_go,
    "fails leaving": fails_leaving,
    "late": returns,
}


def troubled_calls(chance: random.Random) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for place in range(chance.randint(1, 9)):
        name = f"{chance.choice(list(WAYS))} {chance.choice(['read', 'read', 'write', 'any'])}"
        arguments: dict[str, object] = {
            "number": place,
            "seconds": chance.choice(SECONDS),
            "at": chance.choice("abc"),
        }
        if place and chance.random() < 0.15:
            earlier = chance.choice(calls)
            calls.append(ToolCall(f"c{place}", earlier.tool, earlier.arguments))
            continue
        if place and chance.random() < 0.3:
            arguments["needs"] = f"${chance.randint(1, place)}"
        if chance.random() < 0.05:
            arguments["what"] = 1
        calls.append(ToolCall(f"c{place}", "none" if chance.random() < 0.05 else name, arguments))
    return calls


async def survives(seed: int, fake: FakeClock) -> None:
    chance = random.Random(seed)
    trouble, calls = Trouble(chance), troubled_calls(chance)
    told: list[str] = []
    at_once = chance.choice([1, 2, 10])
    timeout = chance.choice([None, None, 2, 5])
    batch = ToolBatch(
        calls,
        tools=trouble.tools(),
        max_concurrency=at_once,
        timeout=timeout,
        on_result=lambda result: told.append(result.id),
    )
    run = asyncio.create_task(batch.run())
    is_cancelled = chance.random() < 0.4
    finished: list[CallResult] = []
    if is_cancelled:
        await fake.advance(chance.choice([0, 0.5, 1, 1.5, 2, 4]))
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        finished = batch.results
        is_cancelled = run.cancel()
        trouble.is_over = is_cancelled
    await fake.advance(1 if is_cancelled else timeout + 1 if timeout is not None else 200)
    assert run.done(), seed  # a second is what leaving takes at most
    assert run.cancelled() == is_cancelled, seed
    check(batch.outcome, calls, trouble, told, seed)
    assert all(result in batch.outcome.results for result in finished), seed
    assert trouble.crowd <= at_once, seed


def check(
    outcome: BatchOutcome, calls: list[ToolCall], trouble: Trouble, told: list[str], seed: int
) -> None:
    ids = [call.id for call in calls]
    assert [result.id for result in outcome.results] == ids, seed
    assert sorted(told) == sorted(ids), seed
    assert trouble.late == [], seed
    assert trouble.running == 0, seed
    for call, result in zip(calls, outcome.results, strict=True):
        assert (result.error is None) == (result.status == "done"), (seed, result)
        assert isinstance(call.arguments, dict)
        number = call.arguments["number"]
        times = trouble.started.count(number)
        if result.status == "done":
            assert result.value == (number, "value"), (seed, result)
            assert times > 0, (seed, result)
        if result.status == "skipped" and is_only(call, calls):
            assert times == 0, (seed, result)
        if result.status == "timed out":
            assert isinstance(result.error, CallTimedOut), (seed, result)
        if is_only(call, calls) and trouble.ended.get(number) == "done":
            late = call.name.startswith("late")
            assert result.status == "done" or (late and result.status == "timed out"), (
                seed,
                result,
            )
    assert asyncio.all_tasks() == {asyncio.current_task()}, seed


def is_only(call: ToolCall, calls: list[ToolCall]) -> bool:
    return sum(other.arguments == call.arguments for other in calls) == 1


@pytest.fixture
def fake() -> Iterator[FakeClock]:
    fake = FakeClock()
    with clock.use(fake):
        yield fake


@pytest.mark.parametrize("seeds", SEEDS)
def test_every_call_has_one_result_whatever_happens(seeds: range, fake: FakeClock) -> None:
    async def all_of_them() -> None:
        for seed in seeds:
            await survives(seed, fake)

    asyncio.run(all_of_them())
