"""Agents are told apart by what they say of themselves, their key, or their prompt."""

import json
from hashlib import sha256

import pytest

from headway.gateway.agents import agent_of
from headway.gateway.transcript import spoken_of
from headway.wire.exchange import RequestFacts, read_request


def chat(system: str | None, *, role: str = "system") -> RequestFacts:
    messages = [{"role": role, "content": system}] if system is not None else []
    body = {"model": "m", "messages": [*messages, {"role": "user", "content": "hello"}]}
    return read_request("POST", "/v1/chat/completions", {}, json.dumps(body).encode())


def other(path: str, **body: object) -> RequestFacts:
    return read_request("POST", path, {}, json.dumps({"model": "m", **body}).encode())


def test_the_header_wins_over_the_key_and_the_key_over_the_prompt() -> None:
    facts = chat("You analyse.")
    assert agent_of({"x-headway-agent": " analyst "}, "team a", facts) == "analyst"
    assert agent_of({"x-headway-agent": "  "}, "team a", facts) == "team a"
    assert agent_of({}, None, facts) == f"agent {sha256(b'You analyse.').hexdigest()[:6]}"


def test_a_header_is_made_fit_to_be_shown() -> None:
    assert agent_of({"x-headway-agent": "a\x1b[31mb"}, None, chat(None)) == "a?[31mb"
    assert len(agent_of({"x-headway-agent": "a" * 5000}, None, chat(None)) or "") < 200


@pytest.mark.parametrize(
    "facts",
    [
        chat("You analyse.", role="developer"),
        other("/v1/responses", instructions="You analyse.", input="hello"),
        other("/v1/responses", input=[{"role": "system", "content": "You analyse."}]),
        other("/v1/messages", system="You analyse.", messages=[]),
        other("/v1/messages", system=[{"type": "text", "text": "You analyse."}], messages=[]),
    ],
)
def test_one_prompt_is_one_agent_on_every_wire(facts: RequestFacts) -> None:
    assert agent_of({}, None, facts) == agent_of({}, None, chat("You analyse."))


@pytest.mark.parametrize(
    "facts",
    [
        chat(None),
        chat(""),
        other("/v1/embeddings", input="x"),
        other("/v1/files"),
        read_request("GET", "/v1/models", {}, b""),
        read_request("POST", "/v1/chat/completions", {}, b"no JSON"),
        other("/v1/messages", system=7, messages="x"),
    ],
)
def test_without_a_prompt_nothing_tells_them_apart(facts: RequestFacts) -> None:
    assert agent_of({}, None, facts) is None


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("Today is 2026-11-21.", "Today is 2026-11-22."),
        ("It is 21/11/2026, 07:31.", "It is 1/2/2027, 23:59."),
        ("Now: 2026-11-21T07:31:05.123Z", "Now: 2026-11-21T07:31:06.9Z"),
        ("at 1700000000", "at 1700000001"),
        (
            "session 6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "session 00000000-8B86-D011-B42D-00C04FC964FF",
        ),
    ],
)
def test_a_clock_in_the_prompt_makes_no_new_agent(one: str, another: str) -> None:
    assert agent_of({}, None, chat(one)) == agent_of({}, None, chat(another))


def test_numbered_workers_are_different_agents() -> None:
    assert agent_of({}, None, chat("You are worker 1.")) != agent_of(
        {}, None, chat("You are worker 2.")
    )


def test_of_a_long_prompt_both_ends_count() -> None:
    rules = "Say where each figure comes from. " * 300
    prompts = [f"{a} {rules} {b}" for a in ("You lead.", "You help.") for b in ("Go.", "Wait.")]
    assert len({agent_of({}, None, chat(prompt)) for prompt in prompts}) == 4
    longer = prompts[0].replace(rules, rules * 2)
    assert agent_of({}, None, chat(longer)) == agent_of({}, None, chat(prompts[0]))


def test_what_was_read_before_serves_as_well() -> None:
    facts = chat("You analyse.")
    assert agent_of({}, None, spoken_of(facts)) == agent_of({}, None, facts)


def test_half_a_surrogate_pair_does_no_harm() -> None:
    body = b'{"model":"m","messages":[{"role":"system","content":"\\ud800"}]}'
    facts = read_request("POST", "/v1/chat/completions", {}, body)
    assert (agent_of({}, None, facts) or "").startswith("agent ")
