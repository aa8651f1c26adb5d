"""The tables of options agree with the code."""

import inspect

import pytest

import headway
from headway import Place
from headway.settings import Settings
from tests.docs.page import DOCS, read

POLICIES = [place.name.capitalize() for place in Place]


def defaults_of(policy: str) -> dict[str, str]:
    """The options of a policy and how a page writes their defaults."""
    parameters = inspect.signature(getattr(headway, policy)).parameters.values()
    empty = inspect.Parameter.empty
    return {
        one.name: "required" if one.default is empty else repr(one.default) for one in parameters
    }


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_has_a_page_with_its_options(policy: str) -> None:
    rows = read(DOCS / "policies" / f"{policy.lower()}.md").table_under("Options")
    written = {row[0].strip("`").lstrip("*"): row[1].strip("`").replace('"', "'") for row in rows}
    expected = defaults_of(policy)
    if policy == "Fallback":
        expected["others"] = "required"  # one at least, which a signature cannot say
    assert written == expected


def test_every_setting_is_in_the_table() -> None:
    rows = read(DOCS / "settings.md").table_under("What can be set")
    assert {row[0].strip("`") for row in rows} == set(Settings.__struct_fields__)
