"""What a server's memory is taken by, and whether many executions leave anything behind."""

import http.client
import statistics
import threading
import time

from .common import BUSYBOX, RUN_LIMIT, BenchError, progress
from .followers import Followers
from .serving import Server

IDLE_GOAL_MIB, FOLLOWER_GOAL_KIB, EXECUTION_GOAL_KIB = 50, 32, 256
FOLLOWERS, RUNNING = 500, 64
LANES = 8
# What the slope may be for each execution. Noise of the allocator is far below, anything that is kept far above.
SLOPE_GOAL_KIB = 1
TICK = ["sh", "-c", "while true; do date; sleep 1; done"]


def settled(server):
    """Its own memory in KiB, once it does not grow any more."""
    last = server.resident_kib()[1]
    for _ in range(20):
        time.sleep(0.5)
        now = server.resident_kib()[1]
        if now <= last + 64:
            return now
        last = now
    return last


def of_followers(options):
    """KiB for each of many followers of one execution that writes a line a second."""
    with Server(options) as server:
        agent = server.add_agent(BUSYBOX, TICK)
        execution = server.submit(agent)
        # A few first: what is made once for all of them is not asked for.
        followers = [Followers(server, execution, 20)]
        try:
            followers[0].read(1)
            before = settled(server)
            followers.append(Followers(server, execution, FOLLOWERS))
            followers[1].read(2)
            after = settled(server)
            server.cancel(execution)
            followers[1].read_to_end()
        finally:
            for some in followers:
                some.close()
        return (after - before) / FOLLOWERS


def of_executions(options):
    """KiB for each of many executions that run, and write a line a second."""
    with Server(options, {"node.slots": str(RUNNING), "pool.ceiling": "0"}) as server:
        agent = server.add_agent(BUSYBOX, TICK)

        def run(count):
            running = [server.submit(agent, limits={"memoryMiB": 128}) for _ in range(count)]
            server.wait_until(lambda: server.metric("paddock_executions_active") >= count, "does not run them")
            for execution in running:
                with server.following(execution) as response:
                    response.read(1)
            return running

        def end(running):
            for execution in running:
                server.cancel(execution)
            server.wait_until(lambda: server.metric("paddock_executions_active") == 0, "does not end them")

        end(run(4))
        before = settled(server)
        running = run(RUNNING)
        after = settled(server)
        end(running)
        return (after - before) / RUNNING


def idle(options):
    """MiB of a server that has just started, with all of the program that it has touched."""
    with Server(options) as server:
        settled(server)
        return server.resident_kib()[0] / 1024


class Flatness:
    """Looks at a server from time to time, while executions come and go."""

    def __init__(self, server):
        self.server, self.samples = server, []

    def look(self, ended):
        server = self.server
        self.samples.append({
            "ended": ended, "memoryKiB": server.resident_kib()[1], "descriptors": server.descriptors(),
            "threads": server.threads(), "files": server.files(),
        })

    def slope(self, of):
        """For each execution, over the later half, by least squares: what is kept for good grows there too."""
        later = self.samples[len(self.samples) // 2:]
        return statistics.linear_regression([s["ended"] for s in later], [s[of] for s in later]).slope


def many(options, count):
    """Runs so many executions on one server, some at once."""
    with Server(options, {"node.slots": str(LANES)}) as server:
        agent = server.add_agent(BUSYBOX, ["echo", "done"])
        flatness = Flatness(server)
        lock, left, failures = threading.Lock(), [count], []

        def lane():
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=RUN_LIMIT)
            try:
                while not failures:
                    with lock:
                        if left[0] == 0:
                            return
                        left[0] -= 1
                        ended = count - left[0] - LANES
                        if ended > 0 and ended % max(1, count // 40) == 0:
                            flatness.look(ended)
                            progress("executions", ended, count)
                    body = {"agentId": agent, "input": {}}
                    done = server.call("POST", "/executions?wait=60", body, connection=connection)
                    if done["status"] != "succeeded":
                        raise BenchError(f"an execution ended as {done['status']}: {done['message']}")
            except Exception as error:  # shown by the main thread
                failures.append(error)

        began = time.monotonic()
        threads = [threading.Thread(target=lane) for _ in range(LANES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return flatness, count / (time.monotonic() - began)


def measure(options, engine, report):
    values = {}
    for number, (name, body) in enumerate((
        ("idle, MiB", idle), ("a follower, KiB", of_followers), ("a running execution, KiB", of_executions),
    )):
        values[name] = body(options)
        progress("memory", number + 1, 3)
    print("\nmemory of the server")
    for name, value in values.items():
        print(f"  {name:<42} {value:>8.1f}")
    flatness, rate = many(options, options.executions)
    first, last = flatness.samples[len(flatness.samples) // 2], flatness.samples[-1]
    print(f"\n{options.executions} executions, {LANES} at once, {rate:.1f}/s: from the middle to the end")
    for name in ("memoryKiB", "descriptors", "threads", "files"):
        print(f"  {name:<42} {first[name]:>8} {last[name]:>8} {flatness.slope(name):>10.4f} each")
    report.tables.append({"title": "memory of the server", "values": values, "samples": flatness.samples})
    report.goal("memory: idle, MiB", values["idle, MiB"], IDLE_GOAL_MIB)
    report.goal("memory: each follower, KiB", values["a follower, KiB"], FOLLOWER_GOAL_KIB)
    report.goal("memory: each running execution, KiB", values["a running execution, KiB"], EXECUTION_GOAL_KIB)
    report.goal("memory: kept of each execution that has ended, KiB", flatness.slope("memoryKiB"), SLOPE_GOAL_KIB)
    for name in ("descriptors", "threads", "files"):
        report.goal(f"{name} kept of each execution that has ended", flatness.slope(name), 0.01)
