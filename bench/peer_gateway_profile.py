"""Where Headway's gateway spends its time under one kind of load."""

from __future__ import annotations

import argparse
import pstats
import re
import subprocess
import time
from collections import Counter
from io import StringIO
from pathlib import Path

from peer_gateway_load import SALT, STREAM
from peer_gateway_targets import Server, Servers, Work, run

SECONDS = 5.0
MOST = 40


def profile(work: Work, options: argparse.Namespace) -> str:
    """The functions with the most time of their own."""
    with Servers(work) as servers:
        servers.start_upstream()
        out = servers.logs / "profile"
        arguments = ["--features", options.features, "--loop", options.loop]
        if options.profiler == "cprofile":
            arguments += ["--profile", str(out)]
        server = servers.start_headway("Headway", *arguments)
        load = subprocess.Popen(_command(work, server, options), stdout=subprocess.PIPE, text=True)
        time.sleep(1.0)
        if options.profiler != "cprofile":
            _sample(work, server, out, native=options.profiler == "py-spy-native")
        said, _ = load.communicate(timeout=60)
        server.end()
        text = _by_calls(out) if options.profiler == "cprofile" else _by_samples(out)
    return f"{text}\nunder the profiler: {said.strip()}"


def _command(work: Work, server: Server, options: argparse.Namespace) -> list[str]:
    kind = "stream" if options.profile == "stream" else "load"
    command = [
        str(work.gwbench),
        kind,
        "--addr",
        f"127.0.0.1:{server.port}",
        "--pid",
        str(server.pid),
    ]
    command += ["--warm", "0.5", "--secs", str(SECONDS + 2)]
    if kind == "stream":
        command += ["--conc", "100", "--model", STREAM, "--salt", SALT]
        return [*command, "--extra", ',"temperature":0']
    command += ["--conc", "32", "--body", str(work.folder / f"{options.body}.json")]
    return [*command, "--uniq", "1"] if options.profile == "miss" else command


def _sample(work: Work, server: Server, out: Path, *, native: bool) -> None:
    """Where it is, 500 times a second; *native*: in C too (whose stops make writes dear)."""
    base = work.folder / "base" / "bin"
    if not (base / "py-spy").exists():
        run([str(base / "python"), "-m", "pip", "install", "--quiet", "py-spy"], work.folder)
    command = [str(base / "py-spy"), "record", "--pid", str(server.pid), "--format", "raw"]
    command += [
        "--duration",
        str(int(SECONDS)),
        "--rate",
        "500",
        "--function",
        "--output",
        str(out),
    ]
    run([*command, *(["--native"] if native else [])], work.folder)


def _by_samples(out: Path) -> str:
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in out.read_text("utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        if "wait (threading.py" in stack:
            continue  # a thread that waits is taken for one that works
        frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        within.update(dict.fromkeys(frames, int(count)))
    whole = own.total()
    lines = [f"{whole} samples, share of all", f"{'own':>7}{'within':>8}  function"]
    lines += [
        f"{count / whole:7.1%}{within[name] / whole:8.1%}  {name}"
        for name, count in own.most_common(MOST)
    ]
    lines += ["", "by time within"]
    lines += [f"{count / whole:7.1%}  {name}" for name, count in within.most_common(MOST)]
    return "\n".join(lines)


def _by_calls(out: Path) -> str:
    text = StringIO()
    pstats.Stats(str(out), stream=text).sort_stats("tottime").print_stats(MOST)
    return text.getvalue()
