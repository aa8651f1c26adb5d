"""Starting, stopping, and a log that can be read while requests go on."""

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path

import openai
import pytest

from headway.testing import Provider
from tests.testing.provider.questions import HELLO, connect, openai_in_loop


def test_a_provider_may_start_again() -> None:
    provider = Provider("hi")
    with pytest.raises(RuntimeError, match="is not running"):
        assert provider.url
    for _ in range(2):
        provider.start()
        with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
            assert client.chat.completions.create(model="g", messages=HELLO).choices
        provider.stop()
    provider.stop()
    assert len(provider.log) == 2


def test_no_provider_runs_twice() -> None:
    with Provider() as provider:
        with pytest.raises(RuntimeError, match="running already"):
            provider.start()
        with connect(provider):
            pass


def test_a_client_that_comes_while_it_stops_leaves_nothing_behind() -> None:
    for _ in range(30):  # an unclosed socket would be a warning, and warnings are errors here
        provider = Provider().start()
        with connect(provider):
            provider.stop()
        assert provider.connections == 0
    gc.collect()


def test_loops_come_and_go() -> None:
    async def ask() -> str | None:
        async with Provider("hi") as provider, openai_in_loop(provider) as client:
            answer = await client.chat.completions.create(model="g", messages=HELLO)
            return answer.choices[0].message.content

    assert [asyncio.run(ask()) for _ in range(3)] == ["hi"] * 3


def test_the_log_is_safe_to_read_from_many_threads(model_provider: Provider) -> None:
    def ask() -> None:
        with openai.OpenAI(base_url=model_provider.openai_url, api_key="k") as client:
            for _ in range(10):
                client.chat.completions.create(model="g", messages=HELLO)
                model_provider.totals()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = model_provider.log
    assert [one.number for one in log] == list(range(1, 81))
    assert {one.ending for one in log} == {"complete"}
    assert model_provider.totals().by_status == {200: 80}
    assert len({one.body_digest for one in log}) == 1
    assert "sk-" not in repr(log)


def test_clear_forgets(model_provider: Provider, openai_client: openai.OpenAI) -> None:
    model_provider.fail_next(status=500, times=5)
    with pytest.raises(openai.InternalServerError):
        openai_client.chat.completions.create(model="g", messages=HELLO)
    model_provider.clear()
    assert model_provider.log == []
    assert openai_client.chat.completions.create(model="g", messages=HELLO).choices


def test_importing_it_takes_nothing_along() -> None:
    code = (
        "import asyncio, msgspec, sys; before = set(sys.modules)\n"
        "import headway.testing\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*(tops - set(sys.stdlib_module_names)))"
    )
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split() == ["headway"], done.stderr


def test_the_fixture_is_there_for_the_asking(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["headway.testing.pytest_plugin"]\n')
    (tmp_path / "test_it.py").write_text(
        "def test_it(model_provider):\n    assert model_provider.openai_url.endswith('/v1')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout
