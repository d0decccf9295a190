"""HTTP submit to the first log byte at a client of the event stream, with sandboxes that are prepared ahead."""

import http.client
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time

from .common import AGENT, BUSYBOX, RUN_LIMIT, BenchError, interleave
from .programs import docker_command, timed
from .warm import own_spec, raw_launch

DOCKER, RAW, SERVER = "docker run --rm", "raw launch in a prepared sandbox", "HTTP submit to the event stream"
IDLE_GOAL_MIB = 50


class Server:
    """A `paddock serve` of its own, with one agent."""

    def __init__(self, options):
        self.image = f"paddock-bench-{secrets.token_hex(4)}:1"
        subprocess.run(
            ["docker", "build", "--quiet", "--tag", self.image, "-"], check=True, text=True, capture_output=True,
            input=f"FROM {BUSYBOX}\nCMD {json.dumps(AGENT)}\n")
        self.state = tempfile.mkdtemp(prefix="paddock-bench-")
        self.log = open(os.path.join(self.state, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [options.paddock, "serve", "--port", "0", "--set", "server.accessLog=false"],
            env={**os.environ, "PADDOCK_STATE_DIR": self.state}, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.key = self.process.stdout.readline().strip()
        self.port = self.wait_for_port()
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RUN_LIMIT)
        self.idle_mib = self.resident_mib()
        self.call("PUT", "/users/usr_admin/access",
                  {"executionsPerHour": 1_000_000, "executionsPerDay": 1_000_000, "maxConcurrent": 100})
        self.agent = self.call("POST", "/agents", {
            "name": "bench", "description": "for benchmarks only", "category": "UTILITY", "dockerImage": self.image})["id"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(RUN_LIMIT)
        self.process.stdout.close()
        self.log.close()
        subprocess.run(["docker", "rmi", "--force", self.image], stdout=subprocess.DEVNULL)
        shutil.rmtree(self.state)

    def wait_for_port(self):
        until = time.monotonic() + RUN_LIMIT
        while time.monotonic() < until and self.process.poll() is None:
            with open(self.log.name, encoding="utf-8") as log:
                for line in log:
                    if '"message":"serving"' in line:
                        return json.loads(line)["port"]
            time.sleep(0.02)
        raise BenchError(f"`paddock serve` does not serve; its log is {self.log.name}")

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

    def request(self, connection, method, path, body=None, accept="application/json"):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", "Accept": accept}
        connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
        return connection.getresponse()

    def call(self, method, path, body=None):
        response = self.request(self.connection, method, path, body)
        text = response.read()
        if response.status >= 300:
            raise BenchError(f"{method} {path}: {response.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def submit_to_first_byte(self):
        """Milliseconds. The next one begins when this one's sandbox has been replaced."""
        stream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RUN_LIMIT)
        stream.connect()
        began = time.monotonic()
        execution = self.call("POST", "/executions", {"agentId": self.agent, "input": {}})["id"]
        response = self.request(stream, "GET", f"/executions/{execution}/logs?follow=true", accept="text/event-stream")
        received = b""
        while b'"text":"first' not in received:
            chunk = response.read1(65536)
            if not chunk and response.isclosed():
                raise BenchError(f"the event stream ended, {response.status}: {received[-600:]!r}")
            received += chunk
        milliseconds = (time.monotonic() - began) * 1000
        while response.read1(65536):
            pass
        stream.close()
        self.wait_until_prepared()
        return milliseconds

    def wait_until_prepared(self):
        until = time.monotonic() + RUN_LIMIT
        while time.monotonic() < until:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RUN_LIMIT)
            connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.key}"})
            metrics = connection.getresponse().read().decode()
            connection.close()
            sizes = [float(line.split()[1]) for line in metrics.splitlines() if line.startswith("paddock_pool_size ")]
            if sizes and sizes[0] >= 1:
                return
            time.sleep(0.05)
        raise BenchError("the server has prepared no sandbox")


def measure(options, engine, report):
    spec = own_spec(options, engine)
    with Server(options) as server:
        samples = interleave({
            DOCKER: lambda: timed(docker_command(BUSYBOX, AGENT))["firstByte"],
            RAW: lambda: raw_launch(engine, spec),
            SERVER: server.submit_to_first_byte,
        }, options.rounds, "server")
    rows = report.table("server: to the first byte", samples, DOCKER)
    report.goal("server: first byte, of docker run, at the median", rows[SERVER]["ratio"], 1 / 50)
    report.goal("server: first byte, of docker run, at p95", rows[SERVER]["ratioP95"], 1 / 20)
    report.goal("server: beyond the raw launch, ms at the median", rows[SERVER]["median"] - rows[RAW]["median"], 3)
    report.goal("server: memory when idle, MiB", server.idle_mib, IDLE_GOAL_MIB)
