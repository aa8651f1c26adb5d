"""A server of a few lines that does on request what servers do wrong; speaks bytes, no library."""

import json
import os
import signal
import subprocess
import sys
import time


def send(line: bytes) -> None:
    os.write(1, line + b"\n") if len(line) < 60_000 else sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def answer(id: object, result: object) -> None:
    send(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode())


def start_child(id: object) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    answer(id, {"child": child.pid, "server": os.getpid()})


waiting: list[object] = []


def serve(message: dict) -> None:  # noqa: C901 - a list of faults
    id, params = message.get("id"), message.get("params") or {}
    match message.get("method"):
        case "silence":
            pass
        case "twice":
            answer(id, 1)
            answer(id, 2)
        case "later":
            waiting.append(id)
        case "now":
            for each in [id, *reversed(waiting)]:
                answer(each, "at last")
        case "junk":
            for line in params["lines"]:
                send(line.encode())
            answer(id, "after junk")
        case "size":
            answer(id, "x" * params["size"])
        case "die":
            os._exit(params.get("code", 3))
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "child":
            start_child(id)
        case "stderr":
            sys.stderr.write(params["text"] + "\n")
            sys.stderr.flush()
            answer(id, "said")
        case "close stdout":
            os.close(1)
            time.sleep(60)
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            answer(id, os.getpid())
            while True:
                time.sleep(60)
        case _:
            send(json.dumps({"jsonrpc": "2.0", "id": id, "result": message}).encode())


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        if line.startswith(b"raw "):
            send(line[4:].rstrip(b"\n"))
            continue
        try:
            read = json.loads(line)
        except ValueError:
            send(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no JSON"}}')
            continue
        for each in read if isinstance(read, list) else [read]:
            serve(each)
    sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
