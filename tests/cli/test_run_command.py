"""``headway run``: the program is itself, and its calls are on the receipt."""

import os
import shlex
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.runs import latest_run, list_runs
from headway.testing import Provider
from tests.cli.run_by_hand import ASK, PYTHON, command, receipt, run, run_as_is


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as serving:
        yield serving


@pytest.fixture
def asked(provider: Provider) -> Provider:
    provider.clear()
    return provider


# --- the program is itself ---------------------------------------------------------------------


def test_its_streams_and_its_exit_code_are_its_own(tmp_path: Path) -> None:
    ran = run("sh", "-c", "cat; echo said; exit 7", folder=tmp_path, stdin="typed\n")
    assert (ran.returncode, ran.stdout) == (7, "typed\nsaid\n")


def test_arguments_pass_as_they_are(tmp_path: Path) -> None:
    shows = "import sys; print(sys.argv[1:])"
    ran = run(PYTHON, "-c", shows, "--name", "--", "-x", "*", "", folder=tmp_path)
    assert ran.stdout == "['--name', '--', '-x', '*', '']\n"


def test_no_dashes_are_needed_before_the_command(tmp_path: Path) -> None:
    ran = run_as_is([*command((), ())[:-1], "sh", "-c", "echo $0 $1", "--json", "x"], tmp_path)
    assert ran.stdout == "--json x\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_end_by_a_signal_is_told_as_a_shell_tells_it(tmp_path: Path, number: int) -> None:
    ran = run("sh", "-c", f"kill -{int(number)} $$", folder=tmp_path)
    assert ran.returncode == 128 + number


def _script(folder: Path, text: str, mode: int) -> str:
    path = folder / "x.sh"
    path.write_text(text)
    path.chmod(mode)
    return "./x.sh"


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    for name in ("no-such-command", "./no/such/file"):
        ran = run(name, folder=tmp_path)
        assert (ran.returncode, ran.stdout) == (127, "")
        assert ran.stderr.startswith(f"headway run: {name}: ")
        assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("#!/bin/sh\n", stat.S_IRUSR | stat.S_IWUSR, "is not executable; try: chmod +x ./x.sh"),
        ("echo\n", stat.S_IRWXU, "is no program, and no script with a first line"),
        ("#!/no/such/shell\n", stat.S_IRWXU, "the program that its first line names is not there"),
    ],
)
def test_a_command_that_cannot_run(tmp_path: Path, text: str, mode: int, said: str) -> None:
    ran = run(_script(tmp_path, text, mode), folder=tmp_path)
    assert (ran.returncode, ran.stdout) == (126, "")
    assert said in ran.stderr


def test_a_folder_is_no_command(tmp_path: Path) -> None:
    ran = run("./", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (126, "headway run: ./: is a folder\n")


def test_without_a_command(tmp_path: Path) -> None:
    ran = run(folder=tmp_path)
    assert ran.returncode == 2
    assert "headway run -- python my_agent.py" in ran.stderr


def test_a_base_url_that_is_none(tmp_path: Path) -> None:
    ran = run("true", folder=tmp_path, OPENAI_BASE_URL="localhost:1/v1")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("headway: OPENAI_BASE_URL='localhost:1/v1' is no base URL")
    assert not (tmp_path / ".headway").exists()


def test_with_no_stderr_nothing_is_said_elsewhere(tmp_path: Path) -> None:
    words = shlex.join(command((), ["sh", "-c", "exit 7"]))
    ran = run_as_is(["sh", "-c", f"{words} 2>&-"], tmp_path)
    assert (ran.returncode, ran.stdout) == (7, "")


def test_the_receipt_waits_for_a_reader_whatever_the_program_made_of_stderr(
    tmp_path: Path,
) -> None:
    fills = """
import os
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 4096)
except BlockingIOError:
    pass
"""
    words = shlex.join(command(["--json"], [PYTHON, "-c", fills]))
    ran = run_as_is(["sh", "-c", f"{words} 2>&1 >/dev/null | (sleep 2; tail -n 1)"], tmp_path)
    assert ran.stdout.endswith("}\n"), ran.stdout[-100:]


# --- its calls are on the receipt --------------------------------------------------------------


def test_the_receipt_is_on_stderr_and_in_the_record(tmp_path: Path, asked: Provider) -> None:
    ran = run(PYTHON, "-c", ASK, "2", folder=tmp_path, OPENAI_BASE_URL=asked.openai_url)
    assert (ran.returncode, ran.stdout) == (0, "You said: hi\n" * 2)
    assert "receipt " in ran.stderr
    assert "2 calls, 2 run" in ran.stderr
    kept = latest_run(tmp_path / ".headway")
    assert kept is not None
    models = kept.receipt().models
    assert models is not None
    assert (models.total.calls, models.total.tokens_in) == (2, asked.totals().usage.tokens_in)


def test_json_is_the_last_line_of_stderr(tmp_path: Path, asked: Provider) -> None:
    ran = run(
        *(PYTHON, "-c", ASK, "3"),
        folder=tmp_path,
        options=["--json", "--name", "three questions"],
        OPENAI_BASE_URL=asked.openai_url,
    )
    found = receipt(ran)
    assert ran.stdout == "You said: hi\n" * 3
    assert (found["name"], found["complete"]) == ("three questions", True)
    total, used = found["models"]["total"], asked.totals().usage
    assert (total["ran"], total["tokens_in"], total["tokens_out"]) == (
        3,
        used.tokens_in,
        used.tokens_out,
    )


def test_it_only_watches_unless_asked(tmp_path: Path, asked: Provider) -> None:
    run(PYTHON, "-c", ASK, "3", folder=tmp_path, OPENAI_BASE_URL=asked.openai_url)
    assert len(asked.log) == 3
    asked.clear()
    ran = run(
        *(PYTHON, "-c", ASK, "3"),
        folder=tmp_path,
        options=["--cache", "--json"],
        OPENAI_BASE_URL=asked.openai_url,
    )
    total = receipt(ran)["models"]["total"]
    assert (len(asked.log), total["ran"], total["hit"]) == (1, 1, 2)
    assert ran.stdout == "You said: hi\n" * 3


AT_ONCE = """
import asyncio
from openai import AsyncOpenAI
async def main():
    llm = AsyncOpenAI(api_key="k")
    asked = [llm.chat.completions.create(model="m", temperature=0,
             messages=[{"role": "user", "content": "hi"}]) for _ in range(8)]
    print(len(await asyncio.gather(*asked)))
asyncio.run(main())
"""


def test_coalescing_asks_once_what_is_asked_at_once(tmp_path: Path) -> None:
    from headway.testing import Pace

    with Provider(pace=Pace(latency_s=0.5)) as slow:
        ran = run(
            *(PYTHON, "-c", AT_ONCE),
            folder=tmp_path,
            options=["--coalesce", "--json"],
            OPENAI_BASE_URL=slow.openai_url,
        )
        total = receipt(ran)["models"]["total"]
        assert (ran.stdout, len(slow.log)) == ("8\n", 1)
        assert (total["ran"], total["joined"]) == (1, 7)


def test_off_is_off(tmp_path: Path, asked: Provider) -> None:
    run(
        *(PYTHON, "-c", ASK, "2"),
        folder=tmp_path,
        options=["--cache", "--coalesce"],
        OPENAI_BASE_URL=asked.openai_url,
        HEADWAY="off",
    )
    assert len(asked.log) == 2


def test_a_proxy_for_all_others_is_gone_past(tmp_path: Path, asked: Provider) -> None:
    nowhere = "http://127.0.0.1:9"
    ran = run(
        *(PYTHON, "-c", ASK, "1"),
        folder=tmp_path,
        OPENAI_BASE_URL=asked.openai_url,
        HTTP_PROXY=nowhere,
        http_proxy=nowhere,
        ALL_PROXY=nowhere,
    )
    assert (ran.returncode, ran.stdout) == (0, "You said: hi\n")


def test_a_base_url_in_a_dot_env_is_the_upstream(tmp_path: Path, asked: Provider) -> None:
    """The program would not read it any more: what is set in the environment wins."""
    (tmp_path / ".env").write_text(f"KEY=x\nexport OPENAI_BASE_URL = '{asked.openai_url}' # us\n")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "agent.py").write_text(ASK)
    ran = run(PYTHON, "inside/agent.py", "1", folder=tmp_path)
    assert (ran.returncode, len(asked.log)) == (0, 1)
    said = f"headway run: OPENAI_BASE_URL as {tmp_path / '.env'} says\n"
    assert ran.stderr.startswith(said)


def test_a_proxy_that_may_be_why_is_named(tmp_path: Path) -> None:
    fails = ASK.replace("for _", "import contextlib\nfor _").replace(
        "    said", "    with contextlib.suppress(Exception): said"
    )
    ran = run(
        *(PYTHON, "-c", "import os\n" + fails.replace("    print", "    0 and print"), "1"),
        folder=tmp_path,
        OPENAI_BASE_URL="https://127.0.0.1:9/v1",
        HTTPS_PROXY="http://127.0.0.1:9",
    )
    assert "HTTPS_PROXY is set: https:// providers are asked by way of that" in ran.stderr


def test_the_name_is_that_of_the_script(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("")
    run(PYTHON, "-B", "agent.py", "--key", "secret", folder=tmp_path)
    run("sh", "-c", "true", folder=tmp_path)
    run("env", "KEY=sk.secret", "sh", "-c", "true agent.py", folder=tmp_path)
    run("bash", "-c", "KEY=sk-secret true agent.py", folder=tmp_path)
    run(PYTHON, "-m", "json.tool", "--help", folder=tmp_path)
    names = {each.name for each in list_runs(tmp_path / ".headway")}
    assert names == {"agent.py", "sh", "env", "bash", "json.tool"}


def test_another_one_inside_has_a_run_of_its_own(tmp_path: Path, asked: Provider) -> None:
    inner = command(["--name", "inner"], [PYTHON, "-c", ASK, "2"])
    ran = run(
        *inner, folder=tmp_path, options=["--name", "outer"], OPENAI_BASE_URL=asked.openai_url
    )
    assert ran.returncode == 0
    assert len(asked.log) == 2
    runs = {each.name: each for each in list_runs(tmp_path / ".headway")}
    assert set(runs) == {"inner", "outer"}
    assert runs["inner"].run != runs["outer"].run
    assert ran.stderr.count("2 calls, 2 run") == 2


RECORDS_ITSELF = """
import asyncio, os
import httpx2
from openai import AsyncOpenAI
from headway import operation, record, scope, through

@operation(kind="tool", name="get_price")
async def get_price(symbol):
    await asyncio.sleep(0.02)
    return "1"

async def main():
    async with through(httpx2) as http:
        llm = AsyncOpenAI(api_key="k", http_client=http)
        ask = lambda messages: llm.chat.completions.create(model="m", messages=messages)
        messages = [{"role": "user", "content": "price?"}]
        said = (await ask(messages)).choices[0].message
        call = said.tool_calls[0]
        result = await get_price("NVDA")
        messages += [said.model_dump(exclude_none=True),
                     {"role": "tool", "tool_call_id": call.id, "content": result}]
        print((await ask(messages)).choices[0].message.content)

with record("the program"):
    asyncio.run(main())
"""


def test_what_the_program_records_itself_counts_once(tmp_path: Path) -> None:
    from headway.testing import Answer

    script: list[Answer | str] = [Answer(tool_calls=[("get_price", {"symbol": "NVDA"})]), "done"]
    with Provider(script) as provider:
        ran = run(
            *(PYTHON, "-c", RECORDS_ITSELF),
            folder=tmp_path,
            options=["--json"],
            OPENAI_BASE_URL=provider.openai_url,
        )
    assert (ran.returncode, ran.stdout) == (0, "done\n")
    found = receipt(ran)
    assert found["models"]["total"]["calls"] == 2
    assert found["tool_calls_made"] == 1


# --- and if there are none ---------------------------------------------------------------------


def test_no_call_and_why_that_may_be(tmp_path: Path) -> None:
    ran = run("true", folder=tmp_path)
    assert ran.returncode == 0
    assert ran.stderr.startswith("headway run: no call reached Headway\n")
    assert "it sets its base URL itself" in ran.stderr
    assert "OPENAI_BASE_URL=http://127.0.0.1:" in ran.stderr
    assert "ended with code" not in ran.stderr
    assert receipt(run("true", folder=tmp_path, options=["--json"]))["models"] is None


def test_a_login_is_not_shown(tmp_path: Path) -> None:
    said = run("true", folder=tmp_path, OPENAI_BASE_URL="http://me:secret@127.0.0.1:9/v1").stderr
    assert "OPENAI_BASE_URL=http://***@127.0.0.1:" in said
    assert "secret" not in said


def test_a_script_that_is_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    assert run("true", "a.py", folder=tmp_path).returncode == 0


def test_a_program_that_failed_first(tmp_path: Path) -> None:
    assert "it ended with code 3, perhaps" in run("sh", "-c", "exit 3", folder=tmp_path).stderr


def test_a_script_that_sets_its_base_url_is_told_of_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text('"""An agent."""\n# base_url="x"\nx = dict(base_url="h")\n')
    said = run(PYTHON, "agent.py", folder=tmp_path).stderr
    assert "agent.py, line 3, seems to set the base URL itself" in said


def test_a_provider_whose_sdk_reads_none_of_them(tmp_path: Path) -> None:
    said = run("true", folder=tmp_path, GEMINI_API_KEY="k").stderr
    assert "GEMINI_API_KEY is set: Google's SDK may be at work" in said


def test_calls_of_no_model(tmp_path: Path, asked: Provider) -> None:
    gets = "import os, urllib.request as u; u.urlopen(os.environ['OPENAI_BASE_URL'] + '/models')"
    said = run(PYTHON, "-c", gets, folder=tmp_path, OPENAI_BASE_URL=asked.openai_url).stderr
    assert "1 request reached Headway, and none was a call of a model" in said
