"""The tables of docs/gateway/settings.md agree with what is read."""

import tomllib
from collections.abc import Mapping

import pytest

from headway.settings import gateway_routes, gateway_rules, gateway_schema
from headway.settings.gateway_settings import (
    GatewaySettings,
    KeySettings,
    LimitSettings,
    RuleSettings,
    TimeoutSettings,
    UpstreamSettings,
)
from headway.settings.gateway_values import Value
from tests.docs.page import DOCS, read

TABLES: list[tuple[str, Mapping[str, Value], object]] = [
    ("The table gateway", gateway_schema.OPTIONS, GatewaySettings()),
    ("Rules", gateway_rules.SINGLE, RuleSettings()),
    ("Timeouts", gateway_rules.TIMEOUTS, TimeoutSettings()),
    ("Limits", gateway_rules.LIMITS, LimitSettings()),
    ("Upstreams", gateway_schema.UPSTREAM, UpstreamSettings(url="")),
    ("Models", gateway_routes.TARGETS, None),
    ("Routes", gateway_routes.TARGETS, None),
    ("Keys", gateway_schema.KEY, KeySettings()),
]
IN_WORDS = {"required", "none", "below", "the setting `store`"}


@pytest.mark.parametrize(("title", "known", "defaults"), TABLES, ids=lambda one: str(one)[:12])
def test_the_page_has_every_option_and_its_default(
    title: str, known: Mapping[str, Value], defaults: object
) -> None:
    rows = read(DOCS / "gateway" / "settings.md").table_under(title)
    written = {row[0].strip("`"): row[1] for row in rows}
    tables = gateway_rules.TABLES if title == "Rules" else {}
    assert set(written) == {*known, *tables}
    for name, default in written.items():
        if default not in IN_WORDS:
            said = tomllib.loads(f"value = {default.strip('`')}")["value"]
            value = known[name]
            assert value.read(said) == getattr(defaults, value.kept_as or name)
