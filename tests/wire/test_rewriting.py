"""The name of the model is replaced, and nothing else."""

import json

import pytest

from headway.wire.exchange import read_request
from headway.wire.rewriting import with_model

CHAT = "/v1/chat/completions"


def rewritten(body: bytes, model: str = "n", path: str = CHAT) -> bytes:
    facts = read_request("POST", path, {}, body)
    found = with_model(body, facts, model)
    assert with_model(body, facts.without_body(), model) == found
    return found


@pytest.mark.parametrize(
    ("body", "other"),
    [
        (b'{"model":"m"}', b'{"model":"n"}'),
        (b' {\n "model"\t: "m" , "a": 1.0}\r\n', b' {\n "model"\t: "n" , "a": 1.0}\r\n'),
        (b'{"a":[{"model":"m"}],"model":"m"}', b'{"a":[{"model":"m"}],"model":"n"}'),
        (b'{"model":"m","a":{"model":"m"}}', b'{"model":"n","a":{"model":"m"}}'),
        (b'{"a":"\\"model\\":\\"m\\"","model":"m"}', b'{"a":"\\"model\\":\\"m\\"","model":"n"}'),
        (b'{"a\\"model":"x","model":"m"}', b'{"a\\"model":"x","model":"n"}'),
        (b'{"a":"model","b":["model"],"model":"m"}', b'{"a":"model","b":["model"],"model":"n"}'),
        (b'{"a":{"model":"m"},"mod\\u0065l":"m"}', b'{"a":{"model":"m"},"mod\\u0065l":"n"}'),
        (b'{"a":"{,","b":{ "model":"m"},"model":3}', b'{"a":"{,","b":{ "model":"m"},"model":"n"}'),
        (b'{"model":{"model":"m"}}', b'{"model":"n"}'),
        (b'{"model":"a\\"b\\\\"}', b'{"model":"n"}'),
        ('{"é":"価","model":"m","🙂":1}'.encode(), '{"é":"価","model":"n","🙂":1}'.encode()),
        (b'{"a":"\\ud800","model":"m"}', b'{"a":"\\ud800","model":"n"}'),
        (b'{"a":123456789012345678901234567890,"model":"m"}',
         b'{"a":123456789012345678901234567890,"model":"n"}'),
    ],
)  # fmt: skip
def test_only_the_model_changes(body: bytes, other: bytes) -> None:
    assert rewritten(body) == other


def test_a_model_is_written_as_json() -> None:
    assert json.loads(rewritten(b'{"model":"m"}', 'a"b\\ü')) == {"model": 'a"b\\ü'}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"{",
        b'"model"',
        b'{"messages":[{"model":"m"}]}',
        b'{"a":{"b":1,"model":"m"}}',
        b'{"model":"m","model":"m"}',
        b'{"model":"m","mod\\u0065l":"m"}',
        b'{"model":"m"',
        b'{"model":"m" "a":1}',
        b'{"model"}',
        b'\xff{"model":"m"}',
        b"[" * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"model":"m"}',
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/openai/deployments/mine/chat/completions"])
def test_a_body_without_one_model_is_refused(body: bytes, path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        rewritten(body, path=path)
