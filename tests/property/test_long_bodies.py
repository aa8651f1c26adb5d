"""Long bodies are read part by part, and nobody can tell but by the time it takes."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from headway.wire import canonical, parts
from headway.wire import request as reading
from headway.wire.canonical import canonical_form, ignored_on
from headway.wire.facts import Wire
from headway.wire.json_values import NotJson, read_strictly, without_members
from headway.wire.parts import KnownParts, Part, read_by_parts

MARKER = {"type": "ephemeral"}
NAMES = st.sampled_from(
    ["a", "b", "é", "messages", "tools", "input", "schema", "stream", "user", "cache_control"]
)
TEXTS = st.sampled_from(
    ["", "x", ":", '"', "\\", "é", "\ud800", "\n", "{", "cache_control", "\x7f"]
)
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
VALUES = st.recursive(
    PLAIN | st.just(MARKER),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3), st.dictionaries(NAMES, inside, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
BODIES = st.dictionaries(NAMES, VALUES | st.lists(OBJECTS, max_size=4), max_size=5)
WIRES: list[Wire] = ["openai.chat", "openai.responses", "anthropic.messages"]
STYLES = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (",", ":"), "ensure_ascii": False},
        {},
        {"indent": 1},
        {"separators": (", ", ":")},
    ]
)


LONG = st.integers(0, 80)


@contextmanager
def long_from(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (canonical, parts, reading):
            patch.setattr(module, "LONG", size)
        yield


def written(body: object, style: dict[str, Any]) -> bytes:
    return json.dumps(body, **style).encode("utf-8", "replace")


def has_markers(wire: Wire) -> bool:
    return wire in canonical.HAVE_MARKERS


@given(st.sampled_from(WIRES), st.lists(BODIES, min_size=1, max_size=4), STYLES, LONG)
@example("anthropic.messages", [{"a": [{"cache_control": MARKER}]}], {}, 0)
@example("anthropic.messages", [{"a": {"b": {"cache_control": MARKER}}}], {}, 0)
@example("anthropic.messages", [{"input": [{"cache_control": MARKER}]}], {}, 0)
@example("anthropic.messages", [{"cache_control": MARKER}], {}, 0)
@example("openai.chat", [{"cache_control": MARKER, "input": [{"cache_control": MARKER}]}], {}, 0)
def test_what_is_read_by_parts_is_what_is_read_at_once(
    wire: Wire, bodies: list[dict[str, Any]], style: dict[str, Any], long: int
) -> None:
    known = KnownParts(has_markers=has_markers(wire), most_bytes=3000)
    for body in [*bodies, *bodies]:
        sent = written(body, style)
        with long_from(long):
            read = read_by_parts(wire, sent, known)
            if read is not None:
                value = read_strictly(sent)
                form = canonical_form(wire, without_members(value, ignored_on(wire)))
                assert read == (value, form)
                assert written(read[0], style) == sent


KNOWN = [json.dumps({"role": "user", "content": text * 40}) for text in "abcdefgh"]


@given(st.lists(st.lists(st.sampled_from(KNOWN), min_size=1, max_size=6), max_size=12))
def test_whatever_came_behind_a_part_before_it_is_known_by_its_own_bytes(
    lists: list[list[str]],
) -> None:
    known = KnownParts(has_markers=False, most_bytes=5000)
    for texts in lists:
        parts = known.all_of([Raw(text) for text in texts])
        assert parts is not None
        assert [part.value for part in parts] == list(map(json.loads, texts))
        canonical = [canonical_form("other", part.value) or b"" for part in parts]
        assert [part.size for part in parts] == list(map(len, canonical))
        assert [part.digest for part in parts] == [sha256(one).digest() for one in canonical]


def test_parts_that_are_no_objects_or_no_json_are_not_known() -> None:
    known = KnownParts(has_markers=False)
    for other in ("[]", "1", '"{"', '{"a":1,"a":2}'):
        assert known.all_of([Raw(KNOWN[0]), Raw(other)]) is None


def test_what_is_known_of_parts_is_bounded() -> None:
    most, text = 100_000, "x" * 1000
    known = KnownParts(has_markers=False, most_bytes=most)
    large = [json.dumps({"n": n, "text": "x" * most}) for n in range(3)]
    for n in range(1000):
        small = json.dumps({"n": n, "text": text})
        assert known.all_of([*map(Raw, (small, large[n % 3], KNOWN[0], large[n % 3]))])
    held = [obj for obj in gc.get_objects() if isinstance(obj, Part) and "text" in str(obj.value)]
    assert all(len(part.written) < most for part in held)
    assert sum(len(part.written) for part in held) <= most


@pytest.mark.parametrize("wire", WIRES)
def test_a_body_is_long_by_the_size_of_what_counts(wire: Wire) -> None:
    known = KnownParts(has_markers=has_markers(wire))
    body = {"a": [{"b": "xyz"}, {"c": 1}, {}], "d": {"e": [1, 2]}, "stream": True, "f": "é", "g": 1}
    short = b'{"a":[{"b":"xyz"},{"c":1},{}],"d":{"e":[1,2]},"f":"\xc3\xa9","g":1}'
    sent = json.dumps(body, ensure_ascii=False).encode()
    for long, is_long in ((len(short), True), (len(short) + 1, False)):
        with long_from(long):
            read = read_by_parts(wire, sent, known)
            assert read is not None
            assert (read[1] != short) is is_long
            assert read[1] == canonical_form(wire, without_members(body, ignored_on(wire)))


@given(
    st.sampled_from(WIRES),
    st.lists(
        st.dictionaries(st.sampled_from("abc"), TEXTS.filter(str.isascii), max_size=3), min_size=1
    ),
)
def test_usual_bodies_are_read_by_parts(wire: Wire, messages: list[dict[str, Any]]) -> None:
    known = KnownParts(has_markers=has_markers(wire))
    body = {"model": "m", "messages": messages, "temperature": 0.5, "stop": ["a"], "x": {"y": [1]}}
    for style in ({}, {"separators": (",", ":")}):
        assert read_by_parts(wire, written(body, style), known) is not None


@given(st.sampled_from(WIRES), BODIES, STYLES, STYLES, LONG)
def test_a_canonical_form_does_not_depend_on_the_style(
    wire: Wire, body: dict[str, Any], one: dict[str, Any], other: dict[str, Any], long: int
) -> None:
    def form(sent: bytes) -> bytes | None:
        with long_from(long):
            return reading._read_body(wire, sent)[1]

    backward = dict(reversed(body.items()))
    ascii_one, ascii_other = ({**style, "ensure_ascii": True} for style in (one, other))
    found = form(written(body, ascii_one))
    assert found == form(written(backward, ascii_other)) is not None
    changed = {**body, "b": [body.get("b")]}
    assert form(written(changed, ascii_one)) != found


@given(
    st.sampled_from(WIRES),
    st.lists(OBJECTS, min_size=1, max_size=3),
    NAMES,
    VALUES,
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_a_member_that_stands_twice_is_seen_wherever_it_is(
    wire: Wire,
    messages: list[dict[str, Any]],
    name: str,
    value: object,
    is_inside: bool,
    separators: tuple[str, str],
) -> None:
    def text(of: object) -> str:
        return json.dumps(of, separators=separators)

    comma, colon = separators
    twice = comma.join([f"{text(name)}{colon}{text(value)}"] * 2)
    if is_inside:
        objects = comma.join([*map(text, messages), "{" + twice + "}"])
        body = f'{{"messages"{colon}[{objects}]}}'
    else:
        body = f'{{"k"{colon}{text(messages)}{comma}{twice}}}'
    assert read_by_parts(wire, body.encode(), KnownParts(has_markers=has_markers(wire))) is None
    with long_from(0), pytest.raises(NotJson, match="duplicate"):
        reading._read_body(wire, body.encode())
