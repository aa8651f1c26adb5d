"""The timeline in a real browser: all is drawn, and it obeys keys, mouse and fingers."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from headway.events import Event, PolicyActed
from headway.runs.timeline import timeline
from tests.browser.chromium import BROWSER, Page, browser
from tests.runs.by_hand import RUN, START, begun, call, whole_run

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium here: install Debian's package chromium to run these"
)
BARS = "document.querySelectorAll('.chart .bar').length"
FOCUSED = "document.activeElement.getAttribute('aria-label')"
DETAILS = "document.getElementById('details').hidden ? null : details.innerText"
ZOOM = "document.getElementById('all').textContent"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    assert BROWSER is not None
    with browser(BROWSER) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run() -> list[Event]:
    """Two agents: a step with a model, three hits and an error inside; a tool that never ends."""
    inside = {"parent": "step", "agent": "ada"}
    return whole_run(
        call("plan", 0, 4, kind="step", call="step", agent="ada"),
        call("chat", 0, 2, kind="model", first_chunk_s=0.5, **inside),  # type: ignore[arg-type]
        *(call("fetch", 2, 2, "hit", key="k", age_s=1, **inside) for _ in range(3)),  # type: ignore[arg-type]
        call("check", 2, 3, error="ValueError", **inside),  # type: ignore[arg-type]
        call("write", 4, 9, call="write", agent="bob"),
        begun("notify", 9, agent="bob"),
        seconds=10,
    )


def opened(
    page: Page,
    folder: Path,
    events: Sequence[Event],
    *,
    width: int = 1200,
    height: int = 800,
    dark: bool = False,
    phone: bool = False,
) -> Page:
    path = folder / "page.html"
    path.write_text(timeline(events), encoding="utf-8")
    page.look_as(width, height, dark=dark, phone=phone)
    page.complaints.clear()
    page.requested.clear()
    page.go(path.as_uri())
    return page


def centre(page: Page, selector: str) -> tuple[float, float]:
    """The middle of the first element that *selector* finds, scrolled to."""
    x, y = page.value(
        f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{ block: "center" }});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
    )
    return x, y


def click(page: Page, x: float, y: float, times: int = 1) -> None:
    for number in range(1, times + 1):
        for kind in ("mousePressed", "mouseReleased"):
            page.mouse(kind, x, y, button="left", buttons=1, clickCount=number)


def test_it_opens_without_a_complaint_and_shows_every_call(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    assert page.value(BARS) == 8
    assert page.value("document.querySelectorAll('.lane').length") == 2
    seen = "[...document.querySelectorAll('.chart .bar')].filter(b => b.offsetWidth > 1).length"
    assert page.value(seen) == 8
    assert page.complaints == []
    assert [address for address in page.requested if not address.startswith("file:")] == []


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_drawn_on_every_screen(page: Page, folder: Path, phone: bool, dark: bool) -> None:
    width = 360 if phone else 1200
    opened(page, folder, run(), width=width, dark=dark, phone=phone)
    drawn = page.picture()
    background = page.value("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 22, 26)" if dark else "rgb(250, 250, 248)")
    assert page.value("document.documentElement.scrollWidth") == width  # no sideways scrolling
    assert page.value(BARS) == 8
    assert page.colours_in(drawn) > 60


def test_an_empty_page_has_few_colours(page: Page, folder: Path) -> None:
    """What the count of colours above is worth."""
    page.look_as(1200, 800)
    page.go("about:blank")
    assert page.colours_in(page.picture()) == 1


def test_a_bar_is_as_long_as_its_call(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    widths = page.value(
        "['plan, step', 'write, tool'].map(name => "
        'document.querySelector(`[aria-label^="${name}"]`).offsetWidth)'
    )
    assert widths[1] / widths[0] == pytest.approx(5 / 4, rel=0.01)


def test_hits_that_fall_on_one_place_stand_side_by_side(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    lefts = page.value("[...document.querySelectorAll('.chart .hit')].map(b => b.offsetLeft)")
    assert len(set(lefts)) == 3


def test_keys_lead_from_call_to_call(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    page.value("document.getElementById('in').focus()")
    page.press("Tab")
    assert page.value(FOCUSED).startswith("plan, step, ada, ran, 4.00 s from 0 s")
    page.press("ArrowRight")
    assert page.value(FOCUSED).startswith("chat, model")
    page.press("ArrowLeft")
    page.press("ArrowDown")
    assert page.value(FOCUSED).startswith("chat, model")
    page.press("End")
    assert page.value(FOCUSED).startswith("notify, tool, bob, has not ended")
    page.press("Home")
    assert page.value(FOCUSED).startswith("plan")
    ring = page.value("getComputedStyle(document.activeElement).outlineWidth")
    assert ring == "3px"
    page.press("Tab")
    assert not (page.value(FOCUSED) or "").startswith(("chat", "fetch"))  # one stop, not eight


def test_enter_opens_details_and_escape_closes_them(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    page.value("document.getElementById('in').focus()")
    page.press("Tab")
    page.press("ArrowRight")
    page.press("Enter")
    assert page.value("details.classList.contains('pinned')")
    words = page.value(DETAILS)
    for part in ("chat", "model", "ada", "2.00 s", "after 500 ms", "plan"):
        assert part in words
    page.press("Escape")
    assert page.value(DETAILS) is None
    assert page.value(FOCUSED).startswith("chat")


def test_keys_and_buttons_zoom(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    whole = page.value("document.querySelector('.sheet').offsetWidth")
    page.press("+")
    assert page.value(ZOOM) == "160%"
    assert page.value("document.querySelector('.sheet').offsetWidth") > whole * 1.4
    page.press("-")
    assert page.value(ZOOM) == "100%"
    page.value("document.getElementById('in').click()")
    page.press("0")
    assert page.value(ZOOM) == "100%"
    assert page.value("document.querySelector('.sheet').offsetWidth") == whole


def test_the_wheel_zooms_where_the_mouse_is(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    x, y = centre(page, "[aria-label^=write]")
    under = f"document.elementFromPoint({x}, {y}).closest('.bar').getAttribute('aria-label')"
    page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300, modifiers=2)
    page.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.value(ZOOM) == "332%"
    assert page.value(under).startswith("write")


def test_a_drag_pans_and_is_no_click(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    for _ in range(4):
        page.press("+")
    before = page.value("chart.scrollLeft")
    x, y = 700, page.value("document.querySelector('.track').getBoundingClientRect().y + 10")
    page.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    for step in (20, 60, 100):
        page.mouse("mouseMoved", x - step, y, button="left", buttons=1)
    page.mouse("mouseReleased", x - 100, y, button="left", clickCount=1)
    assert page.value("chart.scrollLeft") == pytest.approx(before + 100, abs=2)
    assert not page.value("details.classList.contains('pinned')")


def test_the_mouse_shows_details_and_a_double_click_fills_the_view(
    page: Page, folder: Path
) -> None:
    opened(page, folder, run())
    x, y = centre(page, "[aria-label^=check]")
    page.mouse("mouseMoved", x, y)
    assert "ValueError" in page.value(DETAILS)
    page.mouse("mouseMoved", 5, 5)
    assert page.value(DETAILS) is None
    click(page, x, y, times=2)
    share = page.value("document.querySelector('[aria-label^=check]').offsetWidth / innerWidth")
    assert 0.5 < share < 0.9


def test_a_tap_opens_details_at_the_foot_of_a_phone(page: Page, folder: Path) -> None:
    opened(page, folder, run(), width=360, height=700, phone=True)
    x, y = centre(page, "[aria-label^=write]")
    page.touch("touchStart", (x, y))
    page.touch("touchEnd")
    page.value("new Promise(done => setTimeout(done, 100))")
    assert "bob" in page.value(DETAILS)
    box = page.value(
        "(({ left, width, bottom }) => [left, width, bottom])(details.getBoundingClientRect())"
    )
    assert box == [0, 360, 700]
    bar = page.value("document.querySelector('[aria-label^=write]').getBoundingClientRect().bottom")
    assert bar < page.value("details.getBoundingClientRect().top")


def test_two_fingers_zoom(page: Page, folder: Path) -> None:
    opened(page, folder, run(), width=360, height=700, phone=True)
    _, y = centre(page, "[aria-label^=plan]")
    page.touch("touchStart", (150, y), (200, y))
    page.touch("touchMove", (100, y), (250, y))
    page.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.touch("touchEnd")
    assert page.value(ZOOM) == "300%"


def test_what_could_overlap_and_the_path_can_be_switched_off(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    visible = "[...document.querySelectorAll('.shade')].filter(s => s.offsetWidth).length"
    assert page.value(visible) == 4  # plan and write; inside plan, chat and check
    page.value("document.getElementById('overlap').click()")
    assert page.value(visible) == 0
    links = "[...document.querySelectorAll('.link')].filter(link => link.offsetWidth).length"
    assert page.value("document.querySelectorAll('.on-path').length") == 2
    assert page.value(links) == 1
    page.value("document.getElementById('path').click()")
    assert page.value(links) == 0


@pytest.mark.parametrize(
    "text", ["</script><img src=x onerror=console.log(1)>", "<b onclick=alert(1)>", "\u2028</b>"]
)
def test_a_hostile_name_is_shown_as_it_is(page: Page, folder: Path, text: str) -> None:
    named = call(text, 0, 1, kind=text, agent=text, error=text, call=text, key=text)
    acts = [
        PolicyActed(at=START, run=RUN, operation=text, action=action, call=text, detail=text)
        for action in (text, "", "constructor")
    ]
    opened(page, folder, whole_run(*acts, named, seconds=1, name=text))
    assert page.value(BARS) == 1
    assert page.value("document.images.length") == 0
    assert page.value("document.querySelector('h1').textContent") == text.replace("\u2028", "?")
    click(page, *centre(page, ".chart .bar"))
    assert text.replace("\u2028", "?").split()[0] in page.value(DETAILS)
    assert page.complaints == []


def test_a_run_without_calls_says_so(page: Page, folder: Path) -> None:
    opened(page, folder, whole_run(seconds=1))
    assert page.value("document.querySelector('.chart').innerText") == "No call was recorded."
    page.press("+")
    assert page.complaints == []


def test_the_page_cannot_call_home(page: Page, folder: Path) -> None:
    opened(page, folder, run())
    tried = page.value("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)")
    assert tried == "TypeError"
    assert any("Content Security Policy" in complaint for complaint in page.complaints)
    assert "http://127.0.0.1:9/" not in page.requested


def test_five_thousand_calls_can_be_used(page: Page, folder: Path) -> None:
    calls = [
        call("op", n / 20, n / 20 + 0.04, agent=f"agent {n % 10}", call=f"c{n}")
        for n in range(5000)
    ]
    opened(page, folder, whole_run(*calls, seconds=250))
    assert page.value(BARS) == 5000
    for _ in range(6):
        page.press("+")
    shown = "[...document.querySelectorAll('.chart .bar')].filter(b => b.offsetWidth).length"
    assert 1 < page.value(shown) < 1000  # what is out of sight is not laid out
    zoom_ms = (
        "(() => { const begun = performance.now(); document.getElementById('out').click();"
        " return document.body.offsetHeight && performance.now() - begun; })()"
    )
    took_ms = min(page.value(zoom_ms) for _ in range(4))
    assert took_ms < 1000
    page.value("document.getElementById('in').focus()")
    page.press("Tab")
    page.press("End")
    assert "249.95" in page.value(FOCUSED) or "250 s" in page.value(FOCUSED)
    box = page.value(
        "(({ left, right }) => [left, right])(document.activeElement.getBoundingClientRect())"
    )
    assert 0 < box[0] < box[1] <= 1200
