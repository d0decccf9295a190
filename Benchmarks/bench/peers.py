"""One trivial command in a fresh sandbox, and eight at once, against what one would use instead from PyPI.

Each peer is a process of its own that stays, so that no import is timed: a line on its stdin runs the command that many
times at once, and it answers with the milliseconds.
"""

import concurrent.futures
import http.client
import os
import subprocess
import sys
import time

from .common import PYTHON, ROOT, RUN_LIMIT, BenchError, interleave, say
from .serving import Server

# Label, script, packages, runtime.
PEERS = [
    ("docker-py", "docker_py.py", ["docker"], None),
    ("epicbox", "epicbox_run.py", ["epicbox", "urllib3<2", "setuptools<81"], None),
    ("tako-vm, runc", "tako_run.py", ["tako-vm"], "runc"),
    ("tako-vm, runsc", "tako_run.py", ["tako-vm"], "runsc"),
]
SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
CODE = "print('first')"
TAKO_IMAGE = "paddock-bench-tako:1"
AT_ONCE = 8


def python_of(script, packages):
    """A virtual environment with these packages, made once."""
    folder = os.path.join(ROOT, ".build", "bench", script.removesuffix(".py"))
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(os.path.join(folder, "ready")):
        say(f"installing {' '.join(packages)}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
        open(os.path.join(folder, "ready"), "w").close()
    return python


class Peer:
    def __init__(self, script, packages, runtime):
        environment = {**os.environ, "TAKO_VM_CONTAINER_RUNTIME": runtime or "runc", "TAKO_VM_SECURITY_MODE": "strict"}
        if runtime == "runc":
            environment["TAKO_VM_SECURITY_MODE"] = "permissive"
        self.process = subprocess.Popen(
            [python_of(script, packages), os.path.join(SCRIPTS, script)], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1)

    def run(self, count):
        self.process.stdin.write(f"{count}\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise BenchError("a peer ended before it answered")
        return float(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait(RUN_LIMIT)
        self.process.stdout.close()


def paddock_runs(options, runtime, count):
    """Milliseconds until all have ended."""
    command = [
        options.paddock, "run", "-q", "--memory", "512", "--cpus", "1", *(["--runtime", runtime] if runtime else []),
        PYTHON, "--", "python3", "-c", CODE,
    ]
    began = time.monotonic()
    processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for _ in range(count)]
    for process in processes:
        output, _ = process.communicate(timeout=RUN_LIMIT)
        if process.returncode != 0 or output != b"first\n":
            raise BenchError(f"`paddock run` ended with {process.returncode}: {output!r}")
    return (time.monotonic() - began) * 1000


class Served:
    """A `paddock serve` that has as many sandboxes prepared as are asked for at once."""

    def __init__(self, server):
        self.server = server
        self.agent = server.add_agent(PYTHON, ["python3", "-c", CODE])

    def one(self, connection):
        done = self.server.call(
            "POST", "/executions?wait=60",
            {"agentId": self.agent, "input": {}, "limits": {"memoryMiB": 512, "cpus": 1}}, connection)
        if done["status"] != "succeeded" or done["usage"]["logBytes"] != len("first\n"):
            raise BenchError(f"an execution ended as {done['status']}: {done['message']}")

    def at_once(self, count):
        """Milliseconds until all have ended."""
        connections = [http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=RUN_LIMIT) for _ in range(count)]
        for connection in connections:
            connection.connect()
        with concurrent.futures.ThreadPoolExecutor(count) as lanes:
            began = time.monotonic()
            for _ in lanes.map(self.one, connections):
                pass
            milliseconds = (time.monotonic() - began) * 1000
        for connection in connections:
            connection.close()
        return milliseconds

    def create_demand(self, count):
        for _ in range(2):
            self.at_once(count)

    def run(self, count):
        """The same, beginning when sandboxes wait; nobody else is measured while the next ones are prepared."""
        self.server.wait_until_prepared(count)
        milliseconds = self.at_once(count)
        self.server.wait_until_prepared(count)
        return milliseconds


def measure(options, engine, report):
    with Server(options, {"pool.agentCeiling": str(AT_ONCE), "node.slots": str(AT_ONCE)}) as server:
        compare(options, engine, report, Served(server))


def compare(options, engine, report, served):
    runtimes = engine.call("GET", "/info")[1]["Runtimes"]
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", TAKO_IMAGE, "-"], check=True, stdout=subprocess.DEVNULL, text=True,
        input=f'FROM {PYTHON}\nENTRYPOINT ["python3", "/code/main.py"]\n')
    peers = {}
    try:
        for label, script, packages, runtime in PEERS:
            if runtime == "runsc" and "runsc" not in runtimes:
                say("no runtime runsc on this Engine: left out")
                continue
            peers[label] = Peer(script, packages, runtime)
        for count, rounds in ((1, max(3, options.rounds // 2)), (AT_ONCE, max(3, options.rounds // 6))):
            served.create_demand(count)
            sides = {
                "paddock run": lambda: paddock_runs(options, None, count),
                "paddock serve, prepared ahead": lambda: served.run(count),
            }
            if "runsc" in runtimes:
                sides["paddock run, runsc"] = lambda: paddock_runs(options, "runsc", count)
            sides |= {label: (lambda peer=peer: peer.run(count)) for label, peer in peers.items()}
            title = "one trivial command in a fresh sandbox" if count == 1 else f"{count} at once, until all have ended"
            rows = report.table(title, interleave(sides, rounds, f"peers, {count} at once", warm_up=1), "docker-py")
            for label, row in rows.items():
                if label.startswith("paddock"):
                    continue
                for ours in ["paddock run, runsc"] if label.endswith("runsc") else list(sides)[:2]:
                    report.goal(f"{title}: {ours}, of {label}", rows[ours]["median"] / row["median"], 1)
    finally:
        for peer in peers.values():
            peer.close()
        subprocess.run(["docker", "rmi", TAKO_IMAGE], stdout=subprocess.DEVNULL)
