"""The wheel is pure Python unless the compiler is asked for; compiled, it does the same."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOOK = "HATCH_BUILD_HOOK_ENABLE_MYPYC"

QUESTIONS = """
import asyncio, sys
from headway.gateway import flight
from headway.gateway.gateway import Gateway
from headway.gateway.plan import Plan, Upstream
from headway.testing import Provider

def request(content):
    body = b'{"model":"it","temperature":0,"messages":[{"role":"user","content":"%b"}]}' % content
    return (
        b"POST /v1/chat/completions HTTP/1.1\\r\\nhost: here\\r\\n"
        b"content-type: application/json\\r\\nauthorization: Bearer sk-x\\r\\n"
        b"connection: close\\r\\ncontent-length: %d\\r\\n\\r\\n%b" % (len(body), body)
    )

async def asked(port, content):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(content))
    answer = await reader.read()
    writer.close()
    return answer.lower()

async def main(upstream):
    gateway = Gateway(Plan(upstreams=(Upstream(name="it", url=upstream),)))
    port = await gateway.listen()
    for content in (b"what?", b"what? " * 10_000):
        first, second = [await asked(port, content) for _ in range(2)]
        assert first.startswith(b"http/1.1 200"), first
        assert second.startswith(b"http/1.1 200"), second
        assert b"x-headway-cache: miss" in first, first
        assert b"x-headway-cache: hit" in second, second
    await gateway.aclose()

with Provider() as provider:
    asyncio.run(main(provider.url + "/v1"))
print(flight.__file__)
"""


def built(source: Path, folder: Path, **environment: str) -> Path:
    """The wheel that hatchling makes of *source*."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HATCH_")}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(
        [*command, "--directory", str(folder)],
        cwd=source,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_is_pure_python(tmp_path: Path) -> None:
    wheel = built(ROOT, tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
@pytest.mark.skipif(importlib.util.find_spec("hatch_mypyc") is None, reason="needs hatch-mypyc")
def test_the_compiled_wheel_answers_and_keeps(tmp_path: Path) -> None:
    # Out of an sdist, as in scripts/compile: mypyc writes beside the sources.
    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist"]
    subprocess.run([*command, "--directory", str(tmp_path)], cwd=ROOT, check=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    wheel = built(source, tmp_path, **{HOOK: "1"})
    assert not wheel.name.endswith("-none-any.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert Path(done.stdout.strip()).is_relative_to(site)
    assert done.stdout.strip().endswith((".so", ".pyd"))
