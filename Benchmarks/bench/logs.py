"""Logs at a client of the server: 100 MB to one follower against a raw attach, and the lag at many followers."""

import http.client
import time

from .common import BUSYBOX, PYTHON, RUN_LIMIT, BenchError, interleave, progress
from .engine import PreparedSandbox, paddock_spec
from .followers import Followers
from .serving import Server

BYTES = 100_000_000
# Up to where both sides count: what they have read before the clock begins is less than the rest.
COUNTED = BYTES - (1 << 20)
# Lines of 100 bytes; the agent has more of the processor than the log needs.
FLOOD = ["sh", "-c", f"yes {'x' * 99} | head -c {BYTES}"]
LIMITS = {"cpus": 2, "logMiB": 128}
FLOOD_ROUNDS, FLOOD_GOAL = 5, 0.9
RAW, FOLLOWER = "raw attach, the same log driver", "agent to one follower of the server"

FOLLOWERS = (1, 100, 1000)
LAG_GOAL_MS = 50
LAG_SECONDS = 8
# Lines a second; each is the time at which it is written.
TICK = (
    "import sys, time\n"
    "while True:\n"
    "    sys.stdout.write('%d\\n' % time.time_ns()); sys.stdout.flush(); time.sleep(0.1)\n"
)


def raw_flood(engine, spec):
    """MB/s from the first bytes on, by a client that only counts them."""
    sandbox = PreparedSandbox(engine, spec)
    try:
        sandbox.launch(FLOOD, mark=b"xxxx")
        began, count, buffer = time.monotonic(), 0, bytearray(1 << 18)
        while count < COUNTED:
            read = sandbox.stream.recv_into(buffer)
            if not read:
                raise BenchError(f"a raw attach ended after {count} bytes")
            count += read
        seconds = time.monotonic() - began
        return count / seconds / 1e6
    finally:
        sandbox.remove(force=True)


def follower_flood(server, agent):
    """The same at a follower."""
    execution = server.submit(agent, limits=LIMITS)
    with server.following(execution) as response:
        # The bytes as they come, without the borders of HTTP's chunks: they are less than a thousandth.
        stream, buffer = response.fp.raw, bytearray(1 << 18)
        if not stream.readinto(buffer):
            raise BenchError("a log ended before it began")
        began, count = time.monotonic(), 0
        while count < COUNTED:
            read = stream.readinto(buffer)
            if not read:
                raise BenchError(f"a log ended after {count} bytes")
            count += read
        seconds = time.monotonic() - began
    server.wait(execution)
    return count / seconds / 1e6


def own_spec(server, engine, agent):
    """The fields of a sandbox of this server's, from one that runs."""
    execution = server.submit(agent, limits=LIMITS)
    with server.following(execution) as response:
        response.read(1)
        spec = paddock_spec(engine, server.state)
    server.wait(execution)
    return spec


def lags(server, agent, count):
    """Milliseconds at each follower for each line that was written when all of them were there."""
    execution = server.submit(agent)
    followers = Followers(server, execution, count)
    try:
        # What came while the others were opened, and until all of them have caught up, is not what is asked for.
        followers.read(1)
        since = time.time_ns()
        followers.read(LAG_SECONDS)
        server.cancel(execution)
        followers.read_to_end()
    finally:
        followers.close()
    values = [lag for written, lag in followers.lags if written >= since]
    if len(values) < count * LAG_SECONDS:
        raise BenchError(f"{count} followers had only {len(values)} lines")
    return values


def measure(options, engine, report):
    with Server(options) as server:
        flood = server.add_agent(BUSYBOX, FLOOD)
        spec = own_spec(server, engine, flood)
        rounds = min(FLOOD_ROUNDS, options.rounds)
        rows = report.table("logs: 100 MB from an agent", interleave({
            RAW: lambda: raw_flood(engine, spec), FOLLOWER: lambda: follower_flood(server, flood),
        }, rounds, "100 MB of log", warm_up=1), RAW, unit="MB/s")
        report.goal("logs: 100 MB to one follower, of the raw attach", rows[FOLLOWER]["ratio"], FLOOD_GOAL, at_most=False)
    # Another server: what the flood has left in its memory and its database is not asked for.
    with Server(options) as server:
        tick = server.add_agent(PYTHON, ["python3", "-S", "-c", TICK])
        samples = {}
        for number, count in enumerate(FOLLOWERS):
            samples[f"{count} follower{'s' if count > 1 else ''}"] = lags(server, tick, count)
            progress("lag", number + 1, len(FOLLOWERS))
    rows = report.lags("logs: from the agent's write to the follower's socket", samples)
    for label, row in rows.items():
        report.goal(f"logs: lag at {label}, ms at p99", row["p99"], LAG_GOAL_MS)
