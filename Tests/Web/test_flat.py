"""Executions that have ended leave nothing behind: memory, descriptors, threads, files, containers.

What is tested is the slope from execution to execution, once the server is warm; no absolute size. `make bench` runs 2,000.
"""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import threading

import pytest

from conftest import Client, Server, until

LANES = 4
WARM_UP, ROUNDS, OF_EACH = 240, 8, 20
# Of each execution: a task that stays has more, and twice what was measured. The first executions take more, as SQLite
# fills its page caches, of 4 MiB together, by what the database grows by; that is what the long warm-up is for.
MOST_KIB = 12
# Sandboxes that may wait for the next execution: the standard of pool.agentCeiling.
POOL = 4


@pytest.fixture
def own():
    """A server of its own: what other tests did to the shared one must not count."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="paddock-flat-"))
    server = Server(folder)
    server.start()
    until(lambda: server.key, "the first start prints a key")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def run(server, agent, count):
    """Runs so many to their end, some at once."""
    failures = []

    def lane():
        try:
            with Client(server, server.key) as client:
                for _ in range(count // LANES):
                    ended = client.wait(client.run(agent, {"count": 100})["id"])
                    assert ended["status"] == "succeeded", ended
        except BaseException as error:
            failures.append(error)

    lanes = [threading.Thread(target=lane) for _ in range(LANES)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    assert not failures, failures


def look(server):
    """What the server has now, at rest."""
    process = f"/proc/{server.process.pid}"
    with open(f"{process}/status", encoding="ascii") as status:
        memory = int(re.search(r"RssAnon:\s+(\d+)", status.read())[1])
    files = [name for _, _, names in os.walk(server.folder) for name in names]
    return {
        "memory": memory, "descriptors": len(os.listdir(f"{process}/fd")),
        "threads": len(os.listdir(f"{process}/task")), "files": len(files),
    }


def containers(server):
    """On the Engine, of this server's state folder."""
    state = (server.folder / "id").read_text()
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"label=io.paddock.state={state}"]
    return len(subprocess.run(command, check=True, capture_output=True).stdout.split())


def test_many_executions_leave_nothing(own, image):
    with Client(own, own.key) as client:
        many = {"executionsPerHour": 100000, "executionsPerDay": 100000, "maxConcurrent": 100}
        client.put("/api/v1/users/usr_admin/access", json=many).raise_for_status()
        agent = client.post("/api/v1/agents", json={
            "name": "writer", "description": "Writes some lines.", "category": "UTILITY", "dockerImage": image,
        }).raise_for_status().json()["id"]
    run(own, agent, WARM_UP)
    looks = [look(own)]
    for _ in range(ROUNDS):
        run(own, agent, OF_EACH)
        looks.append(look(own))
    ended = [number * OF_EACH for number in range(len(looks))]
    slopes = {
        what: statistics.linear_regression(ended, [one[what] for one in looks]).slope for what in looks[0]
    }
    assert slopes["memory"] < MOST_KIB, (slopes, looks)
    # Less than one in ten executions: connections and worker threads come and go.
    for what in ("descriptors", "threads", "files"):
        assert slopes[what] < 0.1, (slopes, looks)
    until(lambda: containers(own) <= POOL, "sandboxes are removed")
