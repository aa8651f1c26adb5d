"""A Node program with the real ``openai`` client under ``headway run`` gets its receipt."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from headway.testing import Answer, Provider, Question
from tests.cli.run_by_hand import receipt, run

PROGRAM = """
import OpenAI from "openai";
const llm = new OpenAI({ apiKey: "k" });
const tools = [{ type: "function", function: { name: "get_price",
  parameters: { type: "object", properties: { symbol: { type: "string" } } } } }];
const messages = [{ role: "system", content: "You analyse." },
                  { role: "user", content: "What is the price of NVDA?" }];
for (;;) {
  const answer = await llm.chat.completions.create({ model: "gpt-5.4-mini", messages, tools });
  const said = answer.choices[0].message;
  messages.push(said);
  if (!said.tool_calls) break;
  for (const call of said.tool_calls)
    messages.push({ role: "tool", tool_call_id: call.id, content: "42" });
}
const stream = await llm.chat.completions.create({ model: "gpt-5.4-mini", stream: true,
  stream_options: { include_usage: true }, messages });
let text = "";
for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
const response = await llm.responses.create({ model: "gpt-5.4-mini", input: "hello" });
const embedding = await llm.embeddings.create({ model: "text-embedding-3-small", input: "hi" });
console.log(text, "|", response.output_text, "|", embedding.data[0].embedding.length > 0);
"""


@pytest.fixture(scope="module")
def node_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``import OpenAI from "openai"`` works."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    cache = getattr(request.config, "cache", None)
    packages: Path = folder / "packages" if cache is None else cache.mkdir("node")
    if not (packages / "node_modules" / "openai" / "package.json").exists():
        _install(packages)
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "program.mjs").write_text(PROGRAM)
    return folder


def _install(packages: Path) -> None:
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "package.json").write_text("{}")
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
    try:
        ran = subprocess.run(
            ["npm", "install", *quiet, "openai"],
            cwd=packages,
            env={**os.environ, "npm_config_update_notifier": "false"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("no npm registry answers in time")
    if ran.returncode:
        pytest.skip(f"openai cannot be installed from the npm registry: {ran.stderr[-200:]}")


def _model(question: Question) -> Answer:
    if question.tools and not question.tool_results:
        return Answer(tool_calls=[("get_price", {"symbol": "NVDA"})] * 2)
    return Answer(text="It is 42.")


def test_a_node_program_gets_its_receipt(node_folder: Path) -> None:
    with Provider(_model) as provider:
        ran = run(
            *("node", "program.mjs"),
            folder=node_folder,
            options=["--json"],
            OPENAI_BASE_URL=provider.openai_url,
        )
        used, log = provider.totals().usage, provider.log
    assert (ran.returncode, ran.stdout) == (0, "It is 42. | It is 42. | true\n"), ran.stderr
    found = receipt(ran)
    total = found["models"]["total"]
    assert found["name"] == "program.mjs"
    assert total["calls"] == total["ran"] == len(log) == 5
    assert (total["tokens_in"], total["tokens_out"]) == (used.tokens_in, used.tokens_out)
    assert [line["asked"] for line in found["tools"]["lines"]] == [2]
    assert found["duplicates_run"] == 1
