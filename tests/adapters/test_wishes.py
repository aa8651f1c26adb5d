import pytest

from headway.adapters.http.wishes import NONE, Wishes, read_wishes


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("", NONE),
        ("no-cache", Wishes(fresh=True)),
        ("No-Cache, max-age=5", Wishes(fresh=True, max_age_s=5.0)),
        ("max-age=60", Wishes(max_age_s=60.0)),
        ('max-age="60"', Wishes(max_age_s=60.0)),
        ("max-age=0", Wishes(fresh=True, max_age_s=0.0)),
        ("max-age=soon", NONE),
        ("max-age=-1", NONE),
        ("max-age", NONE),
        ("only-if-cached", Wishes(only_if_kept=True)),
        ("only-if-cached, max-age=9", Wishes(only_if_kept=True, max_age_s=9.0)),
        ("private, must-understand", NONE),
        (",,=,", NONE),
    ],
)
def test_cache_control_is_read(text: str, wishes: Wishes) -> None:
    assert read_wishes({"cache-control": text}) == wishes


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"cache-control": "no-store"}, "no-store"),
        ({"cache-control": "no-store, only-if-cached"}, "no-store"),
        ({"x-headway-cache": "off"}, "x-headway-cache: off"),
        ({"x-headway-cache": " OFF "}, "x-headway-cache: off"),
    ],
)
def test_a_bypass_says_why(headers: dict[str, str], why: str) -> None:
    assert why in (read_wishes(headers).bypass or "")


def test_a_mark_that_says_nothing_is_passed_over() -> None:
    assert read_wishes({"x-headway-cache": "hit"}) == NONE
