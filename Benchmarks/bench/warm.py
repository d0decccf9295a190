"""A launch in a sandbox that was prepared ahead, against the same by raw calls, `docker exec` and `docker run --rm`."""

import atexit
import os
import re
import secrets
import shutil
import subprocess
import tempfile

from .common import AGENT, BUSYBOX, RUN_LIMIT, BenchError, interleave
from .engine import PreparedSandbox, paddock_spec
from .programs import docker_command, paddock_command, timed

DOCKER, EXEC = "docker run --rm", "docker exec in a running container"
RAW, PADDOCK = "raw launch in a prepared sandbox", "paddock run --warm, taken to first byte"


def own_spec(options, engine):
    """Our own fields: from a sandbox that `paddock run` keeps for a moment. They name files of its state folder."""
    state = tempfile.mkdtemp(prefix="paddock-bench-")
    atexit.register(shutil.rmtree, state)
    environment = {**os.environ, "PADDOCK_STATE_DIR": state}
    command = paddock_command(options, BUSYBOX, ["sh", "-c", "echo ready; sleep 600"])
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        if process.stdout.read(6) != b"ready\n":
            raise BenchError("`paddock run` did not begin")
        return paddock_spec(engine, state)
    finally:
        process.terminate()
        process.wait(RUN_LIMIT)
        process.stdout.close()


def raw_launch(engine, spec):
    sandbox = PreparedSandbox(engine, spec)
    try:
        milliseconds = sandbox.launch(AGENT)
        sandbox.end()
        return milliseconds
    except BaseException:
        sandbox.remove(force=True)
        raise


def paddock_launches(options, count):
    """The first byte, from the moment at which a prepared sandbox is taken, of `count` runs."""
    command = paddock_command(options, BUSYBOX, AGENT)
    command[2:2] = ["--trace", "--warm", str(count)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT, text=True)
    times = [float(at) for at in re.findall(r"^ +([0-9.]+) +[0-9.]+  first byte$", done.stderr, re.M)]
    if done.returncode != 0 or len(times) != count or done.stderr.count("  checked") != count:
        raise BenchError(f"`paddock run --warm` ended with {done.returncode}: {done.stderr}")
    return times


class Running:
    """A container for `docker exec`: what it costs to run a command where nothing is fenced off anew."""

    def __init__(self, engine):
        self.engine, self.name = engine, f"paddock-bench-{secrets.token_hex(6)}"
        spec = {"Image": BUSYBOX, "Entrypoint": [], "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": "none"}}
        engine.call("POST", f"/containers/create?name={self.name}", spec)
        engine.call("POST", f"/containers/{self.name}/start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.engine.call("DELETE", f"/containers/{self.name}?force=1&v=1", accepted=(204, 404))

    def run(self):
        return timed(["docker", "exec", self.name, *AGENT])["firstByte"]


def measure(options, engine, report):
    spec = own_spec(options, engine)
    with Running(engine) as running:
        samples = interleave({
            DOCKER: lambda: timed(docker_command(BUSYBOX, AGENT))["firstByte"],
            EXEC: running.run,
            RAW: lambda: raw_launch(engine, spec),
            PADDOCK: lambda: paddock_launches(options, 1)[0],
        }, options.rounds, "warm")
    rows = report.table("warm: to the first byte", samples, DOCKER)
    report.goal("warm: beyond the raw launch, ms at the median", rows[PADDOCK]["median"] - rows[RAW]["median"], 3)
    report.goal("warm: first byte, of docker run, at the median", rows[PADDOCK]["ratio"], 1 / 50)
    report.goal("warm: first byte, of docker run, at p95", rows[PADDOCK]["ratioP95"], 1 / 20)
