"""The work folder of bench/gateway.py, and every server it measures, each ended by its own pid."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

LITELLM = "litellm[proxy]==1.106.2"
HERE = Path(__file__).resolve().parent
LAUNCHER = HERE / "peer_gateway_headway.py"
LITELLM_ENV = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "ERROR",
    "DISABLE_ADMIN_UI": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}

# What makes the stream client's questions unlike each other, as those of its load client are, so
# that a gateway that shares and keeps streams has to ask for each.
ASKS = "let req = request(&a, body.as_bytes());"
ASKS_APART = (
    'let mut req = request(&a, body.as_bytes()); let upos = find(&req, b"UNIQ0000000000000000", 0);'
    " let mut n = (t as u64) << 40;"
)
BEGINS = "let t0 = Instant::now(); let was = rec.load(Relaxed);"
BEGINS_APART = (
    'if let Some(p) = upos { n += 1; let x = format!("{:020}", n + now_ns() % 1_000_000_000 *'
    " 1_000_000); req[p..p + 20].copy_from_slice(&x.as_bytes()[..20]); } " + BEGINS
)


class Work:
    """A folder with the environments and programs of the peers; made once, used again."""

    def __init__(self, shared: Path, folder: Path, *, with_litellm: bool) -> None:
        self.peers, self.folder = shared.resolve() / "peers" / "gateway", folder.resolve()
        self.with_litellm = with_litellm
        self.gwbench = self.folder / "unique" / "release" / "gwbench"

    def set_up(self) -> None:
        """Make what is not there yet.

        Raises:
            SystemExit: a program that only the system's packages have is missing.
        """
        if not self.peers.is_dir():
            raise SystemExit(f"--shared: {self.peers} is not there")
        if self.folder.is_relative_to(self.peers.parents[1]):
            raise SystemExit("--work must be outside the shared folder")
        self._refuse_if_missing()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._environment("base", ["uvloop", "httptools", "orjson"], "orjson")
        if self.with_litellm:
            self._environment("llm", [LITELLM], "litellm")
        self._build()
        if not (self.folder / "big.json").exists():
            run([sys.executable, str(self.peers / "mkbodies.py")], self.folder)

    def _refuse_if_missing(self) -> None:
        missing = [name for name in ("nginx",) if shutil.which(name) is None]
        if not self.gwbench.exists() and shutil.which("cargo") is None:
            missing.append("cargo")
        if missing:
            raise SystemExit(f"bench gateway needs {' and '.join(missing)} on PATH (nginx-light)")

    def _environment(self, name: str, packages: Sequence[str], proof: str) -> None:
        python = self.folder / name / "bin" / "python"
        if python.exists() and run_ok(
            [str(python), "-c", f"import importlib.util as i; assert i.find_spec({proof!r})"]
        ):
            return
        print(f"installing {', '.join(packages)} into {self.folder / name}", flush=True)
        run([sys.executable, "-m", "venv", str(self.folder / name)], self.folder)
        run([str(python), "-m", "pip", "install", "--quiet", *packages], self.folder)

    def _build(self) -> None:
        if self.gwbench.exists():
            return
        source = self.folder / "gwbench-unique"
        shutil.copytree(self.peers / "gwbench", source, dirs_exist_ok=True)
        main = source / "src" / "main.rs"
        text = main.read_text("utf-8")
        if text.count(ASKS) != 1 or text.count(BEGINS) != 1:
            raise SystemExit("gwbench has changed: its stream client cannot be told to ask apart")
        main.chmod(0o644)
        main.write_text(text.replace(ASKS, ASKS_APART).replace(BEGINS, BEGINS_APART), "utf-8")
        manifest = str(source / "Cargo.toml")
        target = str(self.folder / "unique")
        run(
            [
                "cargo",
                "build",
                "--quiet",
                "--release",
                "--manifest-path",
                manifest,
                "--target-dir",
                target,
            ],
            self.folder,
        )


def run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def run_ok(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One process on a loopback port."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.port, self.process, self.log = name, port, process, log

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_it_answers(self, within_s: float, path: str = "/v1/chat/completions") -> float:
        """Seconds until the first answer of status 200 to a small question."""
        began = time.monotonic()
        while time.monotonic() < began + within_s:
            if self.process.poll() is not None:
                break
            if answers(self.port, path):
                return time.monotonic() - began
            time.sleep(0.005)
        raise SystemExit(f"{self.name} does not answer; its log {self.log} ends:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3000:]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


SMALL = b'{"model":"gpt-fake","messages":[{"role":"user","content":"are you there?"}]}'


def answers(port: int, path: str) -> bool:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=SMALL,
        headers={"authorization": "Bearer sk-1234", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError, ValueError):
        return False


class Servers:
    """Starts them, knows them by name, and ends them all at the end of the block."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.by_name: dict[str, Server] = {}
        self.logs = Path(tempfile.mkdtemp(prefix="headway-gateway-logs-"))
        self.upstream = free_port()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *raised: object) -> None:
        for server in reversed(list(self.by_name.values())):
            server.end()
        if raised[0] is None:
            shutil.rmtree(self.logs, ignore_errors=True)

    def start(
        self, name: str, command: list[str], port: int, cwd: Path | None = None, **env: str
    ) -> Server:
        log = self.logs / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=cwd or self.logs,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = self.by_name[name] = Server(name, port, process, log)
        return server

    def start_upstream(self) -> None:
        command = [str(self.work.gwbench), "upstream", "--port", str(self.upstream)]
        self.start("direct", command, self.upstream).wait_until_it_answers(5)

    def start_nginx(self) -> None:
        proxy, static = free_port(), free_port()
        text = (self.work.peers / "nginx.conf.in").read_text("utf-8")
        for old, new in {
            "@W@": self.logs,
            "9100": self.upstream,
            "9210": proxy,
            "9211": static,
        }.items():
            text = text.replace(str(old), str(new))
        config = self.logs / "nginx.conf"
        config.write_text(text, "utf-8")
        server = self.start("nginx", ["nginx", "-c", str(config)], proxy)
        server.wait_until_it_answers(10)
        self.by_name["nginx static"] = Server("nginx static", static, server.process, server.log)

    def start_floor(self, name: str, mode: str) -> None:
        """The peers' own protocol pair: ``raw`` passes bytes, ``cache`` keeps whole answers."""
        port = free_port()
        script = self.work.peers / "proxies" / "proto_floor.py"
        command = [str(self.work.folder / "base/bin/python"), str(script), str(port)]
        server = self.start(name, command, port, MODE=mode, UPPORT=str(self.upstream))
        server.wait_until_it_answers(10)

    def start_redis_floor(self, redis_port: int) -> None:
        """Their hit from Redis, by a hand-written client; its Redis port is in the text."""
        port = free_port()
        script = self.logs / "floor_redis.py"
        text = (self.work.peers / "proxies" / "floor_hit.py").read_text("utf-8")
        script.write_text(text.replace("9379", str(redis_port)), "utf-8")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.upstream}/v1/x", data=b"{}") as answer:
            (self.logs / "resp.json").write_bytes(answer.read())
        command = [str(self.work.folder / "base/bin/python"), str(script), str(port)]
        self.start("floor redis", command, port, STORE="redis").wait_until_it_answers(10)

    def start_litellm(self, name: str, cache: str = "") -> None:
        port = free_port()
        text = (
            (self.work.peers / "litellm.yaml")
            .read_text("utf-8")
            .replace("127.0.0.1:9100", f"127.0.0.1:{self.upstream}")
        )
        if cache:
            text = re.sub("^litellm_settings:", f"litellm_settings:\n{cache}", text, flags=re.M)
        config = self.logs / f"{name.replace(' ', '_')}.yaml"
        config.write_text(text, "utf-8")
        program = str(self.work.folder / "llm/bin/litellm")
        command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        self.start(name, [*command, "--num_workers", "1"], port, **LITELLM_ENV)

    def start_headway(self, name: str, *arguments: str, python: str = sys.executable) -> Server:
        """The Headway of *python*, with *arguments* as ``peer_gateway_headway.py`` takes them."""
        port = free_port()
        command = [python, str(LAUNCHER), "--port", str(port)]
        command += ["--upstream", f"http://127.0.0.1:{self.upstream}", *arguments]
        server = self.start(name, command, port)
        server.wait_until_it_answers(20)
        return server

    def start_up(self, name: str) -> Server:
        """``headway up`` as a user starts it: all rules on, metrics and admin side, no recorder."""
        port, admin = free_port(), free_port()
        config = self.logs / f"{name.replace(' ', '_')}.toml"
        config.write_text(
            f"""[gateway]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
memory = "16MiB"
timeouts = {{ connect = "5s", first_byte = "10m", between_chunks = "2m", total = "15m" }}
limits = {{ at_once = 10000, per_minute = 60000000, burst = 1000000 }}
[gateway.upstreams.fake]
url = "http://127.0.0.1:{self.upstream}/v1"
""",
            "utf-8",
        )
        headway = str(Path(sys.executable).with_name("headway"))
        server = self.start(name, [headway, "up", "--config", str(config)], port)
        server.wait_until_it_answers(20)
        return server

    def wait_for(self, names: Sequence[str], within_s: float) -> None:
        for name in names:
            self.by_name[name].wait_until_it_answers(within_s)
