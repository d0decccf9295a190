"""Fresh sandboxes per second, one after another in each of a few lanes, in slices that take turns."""

import http.client
import subprocess
import threading
import time

from .common import AGENT, BUSYBOX, RUN_LIMIT, BenchError, progress
from .engine import Engine, raw_run
from .programs import paddock_command
from .serving import Server
from .warm import own_spec, raw_launch

LANES = 4
RAW_NONE, RAW_OWN = "raw calls, NetworkMode none", "raw calls, our own fields and init"
PADDOCK, SERVER = "paddock run, a program each", "paddock serve, submitted and waited for"


def slice_of(body, seconds):
    """Runs `body(lane)` again and again in each lane for some seconds; returns ended runs per second."""
    until = time.monotonic() + seconds
    counts, failures = [0] * LANES, []
    ends = [0.0] * LANES

    def lane(number):
        run = body(number)
        try:
            while time.monotonic() < until:
                run()
                counts[number] += 1
        except Exception as error:  # shown by the main thread
            failures.append(error)
        ends[number] = time.monotonic()

    began = time.monotonic()
    threads = [threading.Thread(target=lane, args=(number,)) for number in range(LANES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts) / (max(ends) - began)


def run_paddock(options):
    done = subprocess.run(
        paddock_command(options, BUSYBOX, AGENT), stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT)
    if done.returncode != 0:
        raise BenchError(f"`paddock run` ended with {done.returncode}: {done.stderr[-300:]!r}")


def on_server(server, agent):
    """A lane with a connection of its own."""
    def lane(_):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=RUN_LIMIT)

        def run():
            done = server.call("POST", "/executions?wait=60", {"agentId": agent, "input": {}}, connection)
            if done["status"] != "succeeded":
                raise BenchError(f"an execution ended as {done['status']}: {done['message']}")

        return run
    return lane


def measure(options, engine, report):
    with Server(options, {"node.slots": str(LANES)}) as server:
        compare(options, engine, report, server, server.add_agent(BUSYBOX, AGENT))


def compare(options, engine, report, server, agent):
    spec = own_spec(options, engine)

    def raw(body):
        def lane(_):
            own = Engine(engine.path)
            return lambda: body(own)
        return lane

    sides = {
        RAW_NONE: raw(lambda own: raw_run(own, False)),
        RAW_OWN: raw(lambda own: raw_launch(own, spec)),
        PADDOCK: lambda _: lambda: run_paddock(options),
        SERVER: on_server(server, agent),
    }
    slices = max(2, options.rate_seconds // 10)
    rates = {side: [] for side in sides}
    names = list(sides)
    for number in range(slices):
        for side in names[number % len(names):] + names[:number % len(names)]:
            rates[side].append(slice_of(sides[side], options.rate_seconds / slices))
        progress("rate", number + 1, slices)
    rows = report.table(f"fresh sandboxes per second, {LANES} at once", rates, RAW_NONE, unit="/s")
    for side in (PADDOCK, SERVER):
        name = "rate: " + side.split(",")[0]
        report.goal(f"{name}, of raw calls with NetworkMode none", rows[side]["ratio"], 1.4, at_most=False)
        own = rows[side]["median"] / rows[RAW_OWN]["median"]
        report.goal(f"{name}, of raw calls with our own fields", own, 0.95, at_most=False)
