"""``[tools."name or pattern"]`` in headway.toml wins over what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headway import BadSetup, clock, settings
from headway.testing import FakeClock
from headway.tools import UNKNOWN, Effects, Guard, session, tool
from tests.policies.work import Work


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes headway.toml, and lets this process read it anew."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> None:
        Path("headway.toml").write_text(text)
        monkeypatch.setattr(settings, "_kept", None)

    write("")
    return write


async def ask(symbol: str, *, deep: bool = False) -> str:
    return symbol


def effects(**declared: object) -> Effects:
    return tool(**declared)(ask).effects("KO")  # type: ignore[arg-type]


def test_effects(say: Callable[[str], None]) -> None:
    say('[tools.ask]\nreads = ["company:{symbol}"]')
    assert effects() == Effects(reads=("company:KO",))
    assert effects(exclusive=True) == Effects(reads=("company:KO",))
    say('[tools.ask]\nreads = ["a"]\nwrites = ["b:{symbol}"]')
    assert effects(reads=["c"]) == Effects(reads=("a",), writes=("b:KO",))
    say("[tools.ask]\nexclusive = true")
    assert effects(reads=["c"]) == UNKNOWN
    say("[tools.ask]\nreads = []")
    assert effects() == Effects()


def test_what_it_does_not_mention_stays(say: Callable[[str], None]) -> None:
    say('[tools.ask]\nttl = "1h"')
    assert effects(reads=["c"]) == Effects(reads=("c",))


def test_a_name_wins_over_a_pattern_and_the_first_pattern_over_the_second(
    say: Callable[[str], None],
) -> None:
    say(
        '[tools."a*"]\nreads = ["first"]\n[tools."*"]\nreads = ["second"]\n'
        '[tools.ask]\nreads = ["by name"]\n'
    )
    assert effects().reads == ("by name",)
    assert effects(name="another").reads == ("first",)
    assert effects(name="other").reads == ("second",)
    assert effects(name="Ask").reads == ("second",)  # small and capital letters differ
    assert effects(name="shop.ask").reads == ("by name",)


def test_the_whole_name_fits_too(say: Callable[[str], None]) -> None:
    say(f'[tools."{ask.__module__}.*"]\nreads = ["of this module"]')
    assert effects().reads == ("of this module",)


def test_guards_by_name_and_by_server(say: Callable[[str], None]) -> None:
    say('[tools."git.get_*"]\nreads = ["git:{repo}"]\n[tools.put]\nwrites = ["git:{repo}"]')

    def of(name: str, server: str = "") -> Effects:
        return Guard(name, lambda said: UNKNOWN, server=server).effects({"repo": "x"})

    assert of("get_log", "git") == Effects(reads=("git:x",))
    assert of("get_log", "hub") == of("get_log") == UNKNOWN
    assert of("put", "git") == of("put") == Effects(writes=("git:x",))
    assert Guard("put", lambda said: UNKNOWN).effects({}) == Effects(writes=("git:*",))


async def test_how_long(say: Callable[[str], None]) -> None:
    say('[tools.read]\nttl = "1m"\n[tools.never]\ncache = false')
    work, fake = Work(), FakeClock()
    read = tool(reads=["a"], name="read")(work.run)
    never = Guard("never", lambda said: Effects(reads=("a",)))
    with clock.use(fake), session() as here:
        assert [await read(), await read()] == [1, 1]
        await fake.advance("61s")
        assert await read() == 2
        assert [await never.call({}, work.run) for _ in range(2)] == [3, 4]
    assert here.statistics().tools["never"].bypassed == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tools = 3", "line 1: `tools` must be tables by the name of a tool"),
        ("[tools]\nget = 3", 'line 2: `tools."get"` must be a table'),
        ('[tools.""]\ncache = true', "must be a table"),
        ('\n[tools."get_*"]\nread = ["a"]', "line 3: a tool has no `read`.*did you mean `reads`"),
        ('[tools.get]\nreads = "a"', 'line 2: `reads` of "get" must be a list of resources'),
        ('[tools.get]\nreads = ["a", ""]', "must be a list of resources"),
        ("[tools.get]\nwrites = [1]", 'line 2: `writes` of "get" must be a list of resources'),
        ("[tools.get]\nexclusive = 1", 'line 2: `exclusive` of "get" must be true or false'),
        ('[tools.get]\ncache = "no"', 'line 2: `cache` of "get" must be true or false'),
        ('[tools.get]\nttl = "soon"', 'line 2: `ttl` of "get" must be a time above zero'),
        ("[tools.get]\nttl = 0", "must be a time above zero"),
        ("[tools.get]\nttl = true", "must be a time above zero"),
        ('[tools.get]\nreads = ["a"]\nexclusive = true', 'line 3: "get" is exclusive'),
        ("[tools.get]\nexclusive = false", "say what it reads or writes"),
    ],
)
def test_slips(say: Callable[[str], None], text: str, said: str) -> None:
    say(text)
    with pytest.raises(BadSetup, match=rf"^headway\.toml.*{said}"):
        settings.load()


def test_a_gap_that_no_argument_fills_is_refused_where_the_tool_is_made(
    say: Callable[[str], None],
) -> None:
    say('[tools."as*"]\nreads = ["company:{ticker}"]')
    with pytest.raises(BadSetup, match=r'^headway.toml, \[tools."as\*"\]: .* names \'ticker\''):
        effects()


def test_a_text_that_cannot_be_filled_in(say: Callable[[str], None]) -> None:
    say('[tools.ask]\nreads = ["company:{symbol"]')
    with pytest.raises(BadSetup, match="cannot be filled in"):
        effects()
