"""Errors reach each SDK as the exception it raises for the real provider."""

from collections.abc import Callable
from email.utils import formatdate

import anthropic
import openai
import pytest

from headway.testing import Fault, Provider, Scripted
from tests.testing.provider.questions import HELLO, asked, body_of

OPENAI_ERRORS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}
ANTHROPIC_ERRORS = {
    400: (anthropic.BadRequestError, "invalid_request_error"),
    401: (anthropic.AuthenticationError, "authentication_error"),
    403: (anthropic.PermissionDeniedError, "permission_error"),
    404: (anthropic.NotFoundError, "not_found_error"),
    408: (anthropic.APIStatusError, "timeout_error"),
    409: (anthropic.ConflictError, "conflict_error"),
    429: (anthropic.RateLimitError, "rate_limit_error"),
    500: (anthropic.InternalServerError, "api_error"),
    529: (anthropic.InternalServerError, "overloaded_error"),
}


@pytest.mark.parametrize("status", OPENAI_ERRORS)
def test_openai_statuses(
    model_provider: Provider, openai_client: openai.OpenAI, status: int
) -> None:
    model_provider.fail_next(status=status)
    with pytest.raises(OPENAI_ERRORS[status]) as caught:
        openai_client.chat.completions.create(model="g", messages=HELLO)
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)  # the SDK has found the error object
    assert caught.value.request_id == model_provider.log[0].request_id
    assert (model_provider.log[0].status, model_provider.log[0].ending) == (status, "complete")
    openai_client.chat.completions.create(model="g", messages=HELLO)  # only the next one failed


@pytest.mark.parametrize("status", ANTHROPIC_ERRORS)
def test_anthropic_statuses(
    model_provider: Provider, anthropic_client: anthropic.Anthropic, status: int
) -> None:
    error, kind = ANTHROPIC_ERRORS[status]
    model_provider.fail_next(status=status, message="told so")
    with pytest.raises(error, match="told so") as caught:
        anthropic_client.messages.create(model="claude-x", max_tokens=9, messages=HELLO)
    assert caught.value.type == kind
    assert caught.value.request_id == model_provider.log[0].request_id


def test_keys() -> None:
    strict = Provider(keys={"sk-right"})
    with strict, openai.OpenAI(base_url=strict.openai_url, api_key="sk-wrong-key-1234") as client:
        with pytest.raises(openai.AuthenticationError, match=r"sk-\*+1234"):
            client.chat.completions.create(model="g", messages=HELLO)
        assert client.with_options(api_key="sk-right").models.list().data
        wrong, right = strict.log
    assert wrong.credential != right.credential
    assert "authorization" not in wrong.headers


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/chat/completions", b"invalid_api_key"), ("/v1/messages", b"authentication_error")],
)
def test_no_key(model_provider: Provider, path: str, kind: bytes) -> None:
    answer = asked(model_provider, {}, path, authorization="Bearer ")
    assert answer.startswith(b"HTTP/1.1 401")
    assert kind in body_of(answer)
    assert model_provider.log[0].credential is None


def test_unknown_model() -> None:
    with Provider(models=["gpt-known", "claude-known"]) as provider:
        with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
            assert [model.id for model in client.models.list()] == ["gpt-known", "claude-known"]
            with pytest.raises(openai.NotFoundError) as missing:
                client.chat.completions.create(model="gpt-other", messages=HELLO)
            assert missing.value.code == "model_not_found"
        with (
            anthropic.Anthropic(base_url=provider.url, api_key="k") as other,
            pytest.raises(anthropic.NotFoundError, match="model: claude-other"),
        ):
            other.messages.create(model="claude-other", max_tokens=9, messages=HELLO)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": HELLO}, "model", "missing_required_parameter"),
        ({"model": 3, "messages": HELLO}, "model", "invalid_type"),
        ({"model": "g", "messages": [{"role": "user"}, {}]}, "messages[1].role", "missing_requ"),
        ({"model": "g", "messages": HELLO, "temperature": 3}, "temperature", "invalid_value"),
        ({"model": "g", "messages": []}, "messages", "invalid_value"),
        (
            {"model": "g", "messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]},
            "messages.[0].role",
            "None",
        ),
    ],
)
def test_wrong_types(
    openai_client: openai.OpenAI, body: dict[str, object], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.param == param
    assert str(caught.value.code).startswith(code)


def test_open_tool_calls_are_refused(openai_client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "p", "arguments": "{}"}}
    turns = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}, *HELLO]
    with pytest.raises(openai.BadRequestError, match="call_1"):
        openai_client.chat.completions.create(model="g", messages=turns)


@pytest.mark.parametrize("body", [b"{not json", b'["a list"]', b'{"model": "\xff"}', b""])
def test_bad_json(model_provider: Provider, body: bytes) -> None:
    answer = asked(model_provider, body)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"invalid_request_error" in body_of(answer)


def test_unknown_path_and_method(model_provider: Provider) -> None:
    assert asked(model_provider, {}, "/v2/chat").startswith(b"HTTP/1.1 404")
    assert asked(model_provider, {}, "/v1/models").startswith(b"HTTP/1.1 405")


def test_proxy_page(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    model_provider.fail_next(status=502, html=True)
    with pytest.raises(openai.InternalServerError) as caught:
        openai_client.chat.completions.create(model="g", messages=HELLO)
    assert caught.value.response.headers["content-type"] == "text/html"
    assert "<h1>502 Bad Gateway</h1>" in caught.value.response.text


@pytest.mark.parametrize(
    "wait",
    [
        lambda: Fault(status=429, retry_after_ms=1),
        lambda: Fault(status=503, retry_after="0.001"),
    ],
)
def test_the_sdk_retries_and_succeeds(model_provider: Provider, wait: Callable[[], Fault]) -> None:
    model_provider.fail_next(wait(), times=2)
    with openai.OpenAI(base_url=model_provider.openai_url, api_key="k", max_retries=2) as client:
        assert client.chat.completions.create(model="g", messages=HELLO).choices
    assert [one.status for one in model_provider.log] == [wait().status, wait().status, 200]
    assert [one.headers["x-stainless-retry-count"] for one in model_provider.log] == ["0", "1", "2"]


def test_when_to_come_back(model_provider: Provider) -> None:
    date = formatdate(1_800_000_000, usegmt=True)
    model_provider.fail_next(status=429, retry_after=date)
    model_provider.fail_next(status=429, retry_after=2, retry_after_ms=1500)
    body = {"model": "g", "messages": HELLO}
    assert f"retry-after: {date}\r\n".encode() in asked(model_provider, body)
    second = asked(model_provider, body)
    assert b"retry-after: 2\r\n" in second
    assert b"retry-after-ms: 1500\r\n" in second


def test_should_retry_is_obeyed(model_provider: Provider) -> None:
    model_provider.fail_next(status=503, headers={"x-should-retry": "false"})
    with (
        anthropic.Anthropic(base_url=model_provider.url, api_key="k", max_retries=2) as client,
        pytest.raises(anthropic.InternalServerError),
    ):
        client.messages.create(model="c", max_tokens=9, messages=HELLO)
    assert len(model_provider.log) == 1


def test_faults_wait_for_their_question(
    model_provider: Provider, openai_client: openai.OpenAI
) -> None:
    model_provider.fail_next(status=500, when="bad")
    openai_client.chat.completions.create(model="g", messages=HELLO)
    with pytest.raises(openai.InternalServerError):
        openai_client.responses.create(model="g", input="a bad one")
    model_provider.fail_next(status=500, when={"model": "dear"})
    openai_client.embeddings.create(model="cheap", input="x")
    with pytest.raises(openai.InternalServerError):
        openai_client.embeddings.create(model="dear", input="x")


def test_a_script_that_ran_out_says_so(
    model_provider: Provider, openai_client: openai.OpenAI
) -> None:
    model_provider.answers = Scripted(["only one"])
    openai_client.chat.completions.create(model="g", messages=HELLO)
    with pytest.raises(openai.InternalServerError, match="no answer left for 'hello there'"):
        openai_client.with_options(max_retries=2).chat.completions.create(model="g", messages=HELLO)
    assert len(model_provider.log) == 2
    assert "OutOfAnswers" in (model_provider.log[1].problem or "")


def test_a_fault_must_make_sense() -> None:
    with pytest.raises(ValueError, match="status=200"):
        Fault(status=200)
    with pytest.raises(ValueError, match="cut_after=-1"):
        Fault(cut_after=-1)
    with pytest.raises(ValueError, match="needs cut_after"):
        Fault(ending="end")
