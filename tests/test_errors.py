import inspect
import pickle
import re

import pytest

from headway import (
    BadSetup,
    CallCancelled,
    CallTimedOut,
    HeadwayError,
    LimitExceeded,
    StepFailed,
    StreamBroken,
    errors,
)

OWN = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
    and issubclass(kind, BaseException)
    and kind is not HeadwayError
]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = dict(re.findall(r"[├└]── (\w+)(?: \((\w+)\))?", errors.__doc__ or ""))
    assert set(drawn) == {kind.__name__ for kind in OWN}
    for kind in OWN:
        beside = [base.__name__ for base in kind.__mro__]
        assert issubclass(kind, HeadwayError)
        assert not drawn[kind.__name__] or drawn[kind.__name__] in beside


def test_all_are_errors_that_except_exception_catches() -> None:
    assert all(issubclass(kind, Exception) for kind in OWN)


def test_a_timeout_says_what_it_waited_for() -> None:
    error = CallTimedOut("shop.find", 2.5, "next chunk")
    assert str(error) == "shop.find: no next chunk within 2.5 s"
    assert (error.operation, error.seconds, error.waiting_for) == ("shop.find", 2.5, "next chunk")
    with pytest.raises(TimeoutError):
        raise error


def test_a_limit_says_when_to_come_back() -> None:
    assert LimitExceeded("full", retry_after_s=3.0).retry_after_s == 3.0
    assert LimitExceeded("full").retry_after_s is None


def test_a_broken_stream_counts_its_chunks() -> None:
    assert StreamBroken("broke", chunks_read=4).chunks_read == 4


def test_a_cancelled_call_names_its_operation() -> None:
    error = CallCancelled("shop.find")
    assert error.operation == "shop.find"
    assert "shop.find" in str(error)


def test_a_wrong_setup_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="use 1"):
        raise BadSetup("Limit(at_once=0): use 1 or more")


def test_failed_steps_can_be_told_apart() -> None:
    lost, wrong = ConnectionError("lost"), ValueError("wrong")
    error = StepFailed("2 steps failed", {"a": lost, "b": wrong}, {"c": "needs a"}, {"d": 1})
    assert error.failures == {"a": lost, "b": wrong}
    assert error.skipped == {"c": "needs a"}
    assert error.results == {"d": 1}
    seen: list[BaseException] = []
    try:
        raise error
    except* ConnectionError as lost_ones:
        seen.extend(lost_ones.exceptions)
    except* ValueError as wrong_ones:
        seen.extend(wrong_ones.exceptions)
    assert seen == [lost, wrong]


@pytest.mark.parametrize(
    "error",
    [
        CallTimedOut("shop.get_price", 2.5, "first chunk"),
        CallCancelled("shop.get_price"),
        StreamBroken("broke off", chunks_read=3),
        LimitExceeded("full", retry_after_s=1.5),
        BadSetup("no"),
        StepFailed("2 steps failed", {"a": ValueError("x")}, {"b": "a"}, {"c": 1}),
    ],
)
def test_errors_survive_the_way_between_processes(error: HeadwayError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__.keys() == error.__dict__.keys()
    if isinstance(error, StepFailed):
        assert [repr(each) for each in copy.exceptions] == ["ValueError('x')"]
