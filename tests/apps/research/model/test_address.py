"""Which model, where, with which key; and what is refused, with the way out."""

import pytest

from headway.apps.research import WrongModel, model_address

KEYS = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "ak-1"}


@pytest.mark.parametrize(
    ("written", "model", "url"),
    [
        ("openai:gpt-x", "gpt-x", "https://api.openai.com/v1/chat/completions"),
        (
            "openai:org/llama:8b@http://127.0.0.1:8000/v1",
            "org/llama:8b",
            "http://127.0.0.1:8000/v1/chat/completions",
        ),
        ("openai:m@http://[::1]:80", "m", "http://[::1]:80/v1/chat/completions"),
        ("openai:@cf/m@https://h/a/v2/", "@cf/m", "https://h/a/v2/chat/completions"),
        ("anthropic:claude-x", "claude-x", "https://api.anthropic.com/v1/messages"),
        ("anthropic:c@http://h/v1", "c", "http://h/v1/messages"),
        ("anthropic:c@http://h/gate/", "c", "http://h/gate/v1/messages"),
    ],
)
def test_an_address(written: str, model: str, url: str) -> None:
    address = model_address(written, KEYS)
    assert address is not None
    assert (address.model, address.url) == (model, url)
    assert address.key in KEYS.values()
    assert address.key not in f"{address} {address!r}"


def test_embedded_needs_nothing() -> None:
    assert model_address("embedded", {}) is None


def test_an_address_from_the_environment_gives_way_to_one_that_is_written() -> None:
    environment = {**KEYS, "OPENAI_BASE_URL": "http://h:1/v1", "ANTHROPIC_BASE_URL": "http://h:2"}
    for written, url in (
        ("openai:m", "http://h:1/v1/chat/completions"),
        ("openai:m@http://h:3/v1", "http://h:3/v1/chat/completions"),
        ("anthropic:m", "http://h:2/v1/messages"),
    ):
        address = model_address(written, environment)
        assert address is not None
        assert address.url == url


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("gpt-x", "write openai:NAME@URL"),
        ("openai:", "write openai:NAME@URL"),
        ("openai:m@", "write openai:NAME@URL"),
        ("openai:two words", "write openai:NAME@URL"),
        ("mistral:m", "write openai:NAME@URL"),
        ("", "write openai:NAME@URL"),
        ("openai:m@localhost:8000", "http://127.0.0.1:8000/v1"),
        ("openai:m@ftp://h", "no address"),
        ("openai:m@http://", "no address"),
        ("openai:m@http://h:x", "no address"),
        ("openai:m@http://h?key=1", "no address"),
        ("openai:m@http://me:secret@h", "OPENAI_API_KEY"),
    ],
)
def test_what_is_no_address_is_refused_with_the_way_out(written: str, says: str) -> None:
    with pytest.raises(WrongModel) as refused:
        model_address(written, KEYS)
    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", [None, "", "  ", "a\nb", "schlüssel"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_key_that_is_missing_or_none_is_named(provider: str, key: str | None) -> None:
    name = f"{provider.upper()}_API_KEY"
    with pytest.raises(WrongModel, match=name):
        model_address(f"{provider}:m@http://127.0.0.1:1/v1", {} if key is None else {name: key})
