"""A `paddock serve` of the benchmarks' own, with SQLite in a temporary folder, on loopback."""

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time

from .common import RUN_LIMIT, BenchError



class Server:
    """A server, from its start to its end, with the images that its agents are made of.

    `settings` are keys of the configuration, such as `node.slots`. A state folder that is given stays.
    """

    def __init__(self, options, settings=None, state=None):
        self.images = []
        self.is_own_state = state is None
        self.state = state or tempfile.mkdtemp(prefix="paddock-bench-")
        self.log = open(os.path.join(self.state, "log"), "w+", encoding="utf-8")
        words = {"server.accessLog": "false", "server.maxConnections": "8192", **(settings or {})}
        sets = [word for name, value in words.items() for word in ("--set", f"{name}={value}")]
        self.process = subprocess.Popen(
            [options.paddock, "serve", "--port", "0", *sets], env={**os.environ, "PADDOCK_STATE_DIR": self.state},
            stdout=subprocess.DEVNULL, stderr=self.log, text=True)
        self.port = self.wait_for_port()
        with open(os.path.join(self.state, "first-admin.key"), encoding="ascii") as file:
            self.key = file.read().strip()
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RUN_LIMIT)
        self.call("PUT", "/users/usr_admin/access",
                  {"executionsPerHour": 1_000_000, "executionsPerDay": 1_000_000, "maxConcurrent": 100_000, "tier": 3})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait(RUN_LIMIT)
        self.log.close()
        for image in self.images:
            subprocess.run(["docker", "rmi", "--force", image], stdout=subprocess.DEVNULL)
        if self.is_own_state:
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

    # Requests

    def request(self, connection, method, path, body=None, accept="application/json"):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", "Accept": accept}
        connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
        return connection.getresponse()

    def call(self, method, path, body=None, connection=None):
        response = self.request(connection or self.connection, method, path, body)
        text = response.read()
        if response.status >= 300:
            raise BenchError(f"{method} {path}: {response.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def add_agent(self, base, command, **more):
        """An agent whose image is the base with this command; its id."""
        image = f"paddock-bench-{secrets.token_hex(4)}:1"
        subprocess.run(
            ["docker", "build", "--quiet", "--tag", image, "-"], check=True, text=True, capture_output=True,
            input=f"FROM {base}\nCMD {json.dumps(command)}\n")
        self.images.append(image)
        return self.call("POST", "/agents", {
            "name": "bench", "description": "for benchmarks only", "category": "UTILITY", "dockerImage": image, **more,
        })["id"]

    def submit(self, agent, **more):
        return self.call("POST", "/executions", {"agentId": agent, "input": {}, **more})["id"]

    def wait(self, execution):
        """The finished execution; one that did not succeed is an error."""
        while True:
            now = self.call("GET", f"/executions/{execution}/wait?timeout=30")
            if now["finishedAt"]:
                break
        if now["status"] != "succeeded":
            raise BenchError(f"an execution ended as {now['status']}: {now['message']}")
        return now

    def cancel(self, execution):
        self.call("POST", f"/executions/{execution}/cancel", {"graceSeconds": 0})

    @contextlib.contextmanager
    def following(self, execution, accept="text/plain"):
        """The answer that follows a log from its beginning."""
        stream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RUN_LIMIT)
        try:
            yield self.request(stream, "GET", f"/executions/{execution}/logs?follow=true", accept=accept)
        finally:
            stream.close()

    # What it uses

    def resident_kib(self):
        """All of its memory, and what of it is its own, not a file's."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            text = status.read()
        return tuple(int(re.search(rf"{name}:\s+(\d+)", text)[1]) for name in ("VmRSS", "RssAnon"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def files(self):
        """Files in its state folder."""
        return sum(len(names) for _, _, names in os.walk(self.state))

    def metric(self, name):
        """The sum of a metric over its labels."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RUN_LIMIT)
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.key}"})
        text = connection.getresponse().read().decode()
        connection.close()
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
        return sum(map(float, values))

    def wait_until_prepared(self, count=1):
        self.wait_until(lambda: self.metric("paddock_pool_size") >= count, "has prepared no sandbox")

    def wait_until(self, condition, otherwise):
        until = time.monotonic() + RUN_LIMIT
        while not condition():
            if time.monotonic() > until:
                raise BenchError(f"the server {otherwise} within {RUN_LIMIT} s")
            time.sleep(0.05)
