"""Effects: which calls are in one another's way, and the tags that say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import BadSetup
from headway.tools import (
    UNKNOWN,
    Effects,
    conflict,
    effects_of_hints,
    tags_to_keep,
    tags_to_void,
)
from headway.tools.resources import canonical_resource, overlap

segments = st.sampled_from(["a", "b", "src", "x.py"])
names = st.lists(segments, min_size=1, max_size=4).flatmap(
    lambda parts: st.lists(
        st.sampled_from(":/"), min_size=len(parts) - 1, max_size=len(parts) - 1
    ).map(lambda between: "".join(p + s for p, s in zip(parts, [*between, ""])))
)
resources = st.one_of(
    names,
    st.tuples(names, st.sampled_from(":/")).map(lambda both: f"{both[0]}{both[1]}*"),
    st.just("*"),
)
some = st.lists(resources, max_size=3).map(tuple)
effects = st.builds(Effects, some, some, st.booleans())


def meets(one: str, other: str) -> bool:
    """The meaning of a star, said in another way than the code says it."""
    if not one.endswith("*") and not other.endswith("*"):
        return one == other
    shorter, longer = sorted((one.rstrip("*"), other.rstrip("*")), key=len)
    if one.endswith("*") and other.endswith("*"):
        return longer.startswith(shorter)
    wild, exact = (one, other) if one.endswith("*") else (other, one)
    return exact.startswith(wild[:-1])


@given(resources, resources)
def test_a_star_stands_for_all_below_on_either_side(one: str, other: str) -> None:
    assert overlap(one, other) == overlap(other, one) == meets(one, other)


@given(some, some)
def test_a_tag_is_shared_exactly_if_read_and_write_conflict(
    reads: tuple[str, ...], writes: tuple[str, ...]
) -> None:
    read, write = Effects(reads=reads), Effects(writes=writes)
    share = not set(tags_to_keep(read)).isdisjoint(tags_to_void(write))
    assert share == conflict(read, write) == any(meets(r, w) for r in reads for w in writes)


@given(effects, effects)
def test_conflict_is_mutual(one: Effects, other: Effects) -> None:
    assert conflict(one, other) == conflict(other, one)


def test_reads_do_not_conflict() -> None:
    assert not conflict(Effects(reads=("*",)), Effects(reads=("*",)))


def test_what_reads_and_writes_nothing_is_in_nobodys_way_but_an_exclusive_one() -> None:
    pure = Effects()
    assert not conflict(pure, Effects(writes=("*",)))
    assert conflict(pure, UNKNOWN)
    assert pure.is_read
    assert tags_to_keep(pure) == ()


def test_an_unknown_call_voids_everything_that_was_read() -> None:
    assert not UNKNOWN.is_read
    for resource in ("company:NVDA", "files/*", "*", "a/b/c/d"):
        assert set(tags_to_void(UNKNOWN)) & set(tags_to_keep(Effects(reads=(resource,))))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("company:NVDA", "company:NVDA"),
        ("files//src/./a.py", "files/src/a.py"),
        ("files/src/", "files/src"),
        ("files/src/*.py", "files/src/*"),
        ("files/*/a.py", "files/*"),
        ("*.py", "*"),
        ("files/../etc", "*"),
        ("/", "*"),
        ("a.b/..c", "a.b/..c"),
    ],
)
def test_what_cannot_be_told_exactly_is_taken_for_more(written: str, meant: str) -> None:
    assert canonical_resource(written) == meant


def test_very_deep_resources_still_meet() -> None:
    deep = "/".join("abcdefghijklmnopqrstuvwxyz")
    for cut in range(3, 50, 2):
        wild = deep[:cut] + "/*"
        assert set(tags_to_keep(Effects(reads=(wild,)))) & set(
            tags_to_void(Effects(writes=(deep,)))
        )
        assert set(tags_to_keep(Effects(reads=(deep,)))) & set(
            tags_to_void(Effects(writes=(wild,)))
        )


def test_nothing_is_no_resource() -> None:
    with pytest.raises(BadSetup, match="a resource is a text such as 'company:NVDA'"):
        conflict(Effects(reads=("",)), Effects(writes=("a",)))


def test_annotations_of_mcp() -> None:
    assert effects_of_hints(True, reads=("server:git:*",)) == Effects(reads=("server:git:*",))
    assert effects_of_hints(True, True, False) == Effects(reads=("*",))
    assert effects_of_hints(True, True, True) == UNKNOWN  # it contradicts itself
    for told in (None, False):
        assert effects_of_hints(told, True, False) == UNKNOWN
