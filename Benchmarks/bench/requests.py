"""Requests per second: reading an execution and submitting one, beside a plain Hummingbird route in the same run.

Load comes from wrk. What is submitted is not run, as the node has no slots: the machine is the server's and the client's.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile

from .common import BUSYBOX, RUN_LIMIT, BenchError, interleave
from .serving import Server

PLAIN, HEALTH = "plain Hummingbird route", "GET /health"
READ, SUBMIT = "GET /executions/{id}", "POST /executions"
READ_GOAL = 0.5
CONNECTIONS, SECONDS, ROUNDS = 32, 2, 5


class PlainServer:
    """Hummingbird with one route: Benchmarks/PlainServer."""

    def __init__(self, options):
        program = os.path.join(os.path.dirname(options.paddock), "PlainServer")
        if not os.access(program, os.X_OK):
            raise BenchError(f"there is no {program}: run `swift build -c release --product PlainServer`")
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(RUN_LIMIT)
        self.process.stdout.close()


def wrk(port, path, key=None, script=None):
    """Requests per second, and the 99th percentile of their times in milliseconds."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{SECONDS}s", "--latency"]
    if key:
        command += ["--header", f"Authorization: Bearer {key}"]
    if script:
        command += ["--script", script]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, timeout=RUN_LIMIT)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    late = re.search(r"99%\s+([0-9.]+)(us|ms|s)", done.stdout)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if done.returncode != 0 or not rate or not late or failed:
        raise BenchError(f"wrk on {path}: {done.stdout[-600:]}{done.stderr[-300:]}")
    return {"rate": float(rate[1]), "p99": float(late[1]) * {"us": 0.001, "ms": 1, "s": 1000}[late[2]]}


def finished_execution(options, state):
    """Of a server that runs it: its id, and its agent's."""
    with Server(options, state=state) as server:
        agent = server.add_agent(BUSYBOX, ["true"])
        return server.wait(server.submit(agent))["id"], agent


def measure(options, _, report):
    if shutil.which("wrk") is None:
        raise BenchError("wrk is missing, which makes the load: run scripts/setup.sh bench")
    state = tempfile.mkdtemp(prefix="paddock-bench-")
    try:
        execution, agent = finished_execution(options, state)
        script = os.path.join(state, "submit.lua")
        with open(script, "w", encoding="ascii") as file:
            body = json.dumps({"agentId": agent, "input": {}})
            file.write(f"wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n")
        settings = {"node.slots": "0", "queue.capacity": "1000000"}
        with Server(options, settings, state=state) as server, PlainServer(options) as plain:
            samples = interleave({
                PLAIN: lambda: wrk(plain.port, "/"),
                HEALTH: lambda: wrk(server.port, "/health"),
                READ: lambda: wrk(server.port, f"/api/v1/executions/{execution}", server.key),
                SUBMIT: lambda: wrk(server.port, "/api/v1/executions", server.key, script),
            }, min(ROUNDS, options.rounds), "requests", warm_up=1)
    finally:
        shutil.rmtree(state)
    rows = report.table(
        f"requests per second, {CONNECTIONS} connections",
        {side: [s["rate"] for s in values] for side, values in samples.items()}, PLAIN, unit="/s")
    report.table("99th percentile of their times", {side: [s["p99"] for s in values] for side, values in samples.items()},
                 PLAIN)
    report.goal("requests: reading, of a plain route", rows[READ]["ratio"], READ_GOAL, at_most=False)
