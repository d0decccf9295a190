"""What outlasts a server: how fast logs get into its store, and how soon an agent has a server again after a kill -9."""

import datetime
import http.client
import json
import time

from .common import BUSYBOX, PYTHON, RUN_LIMIT, BenchError, progress
from .serving import Server

BYTES = 50_000_000
# Lines of 100 bytes, as fast as they go; and short ones, each with a write of its own.
LONG = ["sh", "-c", f"yes {'x' * 99} | head -c {BYTES}"]
SHORT = ["python3", "-S", "-c", "import os\nfor i in range(200000): os.write(1, b'%d\\n' % i)"]
LIMITS = {"cpus": 2, "logMiB": 128}
# Each line is the time at which it is written.
TICK = (
    "import sys, time\n"
    "while True:\n"
    "    sys.stdout.write('%d\\n' % time.time_ns()); sys.stdout.flush(); time.sleep(0.02)\n"
)
ROUNDS = 5


def seconds(execution):
    """From the agent's start to its end, which is told once its log is stored."""
    start, end = (datetime.datetime.fromisoformat(execution[name].replace("Z", "+00:00"))
                  for name in ("startedAt", "finishedAt"))
    return (end - start).total_seconds()


def stored(server, agent):
    """MB and records that got into the store per second."""
    execution = server.wait(server.submit(agent, limits=LIMITS))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=RUN_LIMIT)
    path = f"/executions/{execution['id']}/logs?tail=1"
    last = server.request(connection, "GET", path, accept="application/x-ndjson").read().splitlines()[-1]
    connection.close()
    took = seconds(execution)
    return execution["usage"]["logBytes"] / took / 1e6, json.loads(last)["seq"] / took


def adopted(options, server, agent):
    """Milliseconds from a kill -9 to a line, written after it, at a follower of the server that is started at once."""
    execution = server.submit(agent)
    with server.following(execution) as response:
        response.readline()
    server.process.kill()
    killed = time.time_ns()
    with Server(options, state=server.state) as next_one:
        with next_one.following(execution) as response:
            while True:
                line = response.readline()
                if not line:
                    raise BenchError("the log of an agent that was adopted has ended")
                if int(line) > killed:
                    break
        milliseconds = (time.time_ns() - killed) / 1e6
        next_one.cancel(execution)
        next_one.call("GET", f"/executions/{execution}/wait?timeout=30")
    return milliseconds


def measure(options, _, report):
    rounds = min(ROUNDS, options.rounds)
    with Server(options) as server:
        sides = {"long lines": server.add_agent(BUSYBOX, LONG), "a write for each line": server.add_agent(PYTHON, SHORT)}
        samples = {side: [] for side in sides}
        for number in range(rounds):
            for side, agent in sides.items():
                samples[side].append(stored(server, agent))
            progress("store", number + 1, rounds)
    for index, unit in enumerate(("MB/s", "records/s")):
        report.table(f"lasting: {unit} of log into SQLite", {
            side: [pair[index] for pair in pairs] for side, pairs in samples.items()
        }, "long lines", unit=unit)
    times = []
    for number in range(rounds):
        with Server(options) as server:
            times.append(adopted(options, server, server.add_agent(PYTHON, ["python3", "-S", "-c", TICK])))
        progress("adoption", number + 1, rounds)
    report.table("lasting: from kill -9 to the next line at a follower", {"adopted": times}, "adopted")
