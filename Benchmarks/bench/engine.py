"""The Engine's API, called directly, as bare as it can be."""

import http.client
import json
import os
import secrets
import socket
import struct
import threading
import time

from .common import AGENT, BUSYBOX, CPUS, MEMORY_MIB, PIDS, RUN_LIMIT, BenchError

DEFAULT_SOCKET = "/var/run/docker.sock"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=RUN_LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Engine:
    """The calls of one run, as bare as they can be made."""

    def __init__(self, path):
        self.path = path
        self.idle = []

    def call(self, method, path, body=None, accepted=(200, 201, 204, 304)):
        # Connections are kept, as paddock and the docker CLI keep theirs.
        connection = self.idle.pop() if self.idle else UnixConnection(self.path)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = json.dumps(body).encode() if body is not None else (b"" if method == "POST" else None)
        connection.request(method, f"/v1.41{path}", body=data, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        self.idle.append(connection)
        if response.status not in accepted:
            raise BenchError(f"{method} {path}: {response.status} {answer[:300].decode('utf-8', 'replace')}")
        return response.status, json.loads(answer) if answer.strip() else None

    def attach(self, container, stdin=False):
        """A hijacked attach to stdout and stderr; returns the socket behind the response's head, and what it read."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(RUN_LIMIT)
        stream.connect(self.path)
        stream.sendall(
            f"POST /v1.41/containers/{container}/attach?stream=1&stdout=1&stderr=1{'&stdin=1' if stdin else ''} HTTP/1.1\r\nHost: docker\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = stream.recv(4096)
            if not chunk:
                raise BenchError("attach: the Engine closed the connection")
            received += chunk
        head, _, rest = received.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise BenchError(f"attach: {head.decode('latin-1')}")
        return stream, rest


def raw_run(engine, network_disabled):
    """create, attach, start, wait, delete. Returns milliseconds from the beginning, and of each stage."""
    marks = {}
    name = f"paddock-bench-{secrets.token_hex(6)}"
    spec = {
        "Image": BUSYBOX, "Entrypoint": [], "Cmd": AGENT, "AttachStdout": True, "AttachStderr": True,
        "HostConfig": {
            "NetworkMode": "none", "Memory": MEMORY_MIB << 20, "MemorySwap": MEMORY_MIB << 20,
            "NanoCpus": int(CPUS * 1e9), "PidsLimit": PIDS, "LogConfig": {"Type": "none"},
        },
    }
    if network_disabled:
        spec["NetworkDisabled"] = True
    began = time.monotonic()
    try:
        _, created = engine.call("POST", f"/containers/create?name={name}", spec)
        marks["create"] = time.monotonic()
        stream, received = engine.attach(created["Id"])
        marks["attach"] = time.monotonic()

        # Wait is asked for before start, on its own thread, as a client must that wants to miss no exit.
        exited = {}
        waiter = UnixConnection(engine.path)
        waiter.request("POST", f"/v1.41/containers/{name}/wait?condition=next-exit", body=b"")
        head = waiter.getresponse()

        def wait():
            exited["answer"] = json.loads(head.read())
            exited["at"] = time.monotonic()

        thread = threading.Thread(target=wait)
        thread.start()
        marks["wait"] = time.monotonic()
        # The first byte can be there before start has answered.
        first = {}

        def read():
            pending = received
            while len(pending) <= 8:
                chunk = stream.recv(65536)
                if not chunk:
                    return
                pending += chunk
            first["at"] = time.monotonic()
            while stream.recv(65536):
                pass

        reader = threading.Thread(target=read)
        reader.start()
        engine.call("POST", f"/containers/{name}/start")
        marks["start"] = time.monotonic()
        reader.join()
        thread.join()
        marks["exit"] = exited["at"]
        engine.call("DELETE", f"/containers/{name}?v=1")
        marks["remove"] = time.monotonic()
        stream.close()
        waiter.close()
    except BaseException:
        try:
            engine.call("DELETE", f"/containers/{name}?v=1&force=1", accepted=(200, 204, 404))
        except Exception:
            pass
        raise
    if exited["answer"]["StatusCode"] != 0 or "at" not in first:
        raise BenchError(f"a raw run failed: {exited['answer']}")
    order = ["create", "attach", "wait", "start", "exit", "remove"]
    stages, previous = {}, began
    for stage in order:
        stages[stage] = (marks[stage] - previous) * 1000
        previous = marks[stage]
    return {"firstByte": (first["at"] - began) * 1000, "exit": (marks["remove"] - began) * 1000, "stages": stages}


def find_engine():
    host = os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    path = host[len("unix://"):] if host.startswith("unix://") else host
    if not path.startswith("/"):
        raise BenchError(f"DOCKER_HOST is {host}: only a unix socket can be used, such as unix://{DEFAULT_SOCKET}")
    engine = Engine(path)
    try:
        engine.call("GET", "/_ping", accepted=(200,))
    except json.JSONDecodeError:
        pass  # `OK` is not JSON, and all we wanted.
    except OSError as error:
        raise BenchError(f"no Docker Engine answers at {path} ({error.strerror or error}): run scripts/setup.sh run")
    return engine


def frame(arguments, nonce, stdin=b"{}"):
    """What the init needs to launch an agent; docs/sandbox-init.md."""
    def record(kind, data):
        return kind + struct.pack("<I", len(data)) + data

    body = record(b"n", nonce.encode() + b"\0")
    for argument in arguments:
        body += record(b"a", argument.encode() + b"\0")
    body += record(b"e", b"PATH=/usr/local/bin:/usr/bin:/bin:/sbin\0") + record(b"w", b"/\0")
    for kind, number in ((b"o", 1 << 20), (b"i", len(stdin)), (b"d", 60_000)):
        body += record(kind, struct.pack("<Q", number))
    return b"PDK1" + struct.pack("<I", len(body)) + body + stdin


class PreparedSandbox:
    """One that waits for its frame: made with the fields that a sandbox of paddock has."""

    def __init__(self, engine, spec):
        self.engine = engine
        self.name = f"paddock-bench-{secrets.token_hex(6)}"
        self.began = time.monotonic()
        _, created = engine.call("POST", f"/containers/create?name={self.name}", spec)
        self.id = created["Id"]
        self.stream, self.raw = engine.attach(self.id, stdin=True)
        self.pending = b""
        engine.call("POST", f"/containers/{self.id}/start")
        self.read_until(b".\n")

    def read_until(self, mark):
        while mark not in self.pending:
            self.take_frames()
            if mark in self.pending:
                break
            chunk = self.stream.recv(65536)
            if not chunk:
                raise BenchError(f"a prepared sandbox ended: {self.pending[-300:]!r}")
            self.raw += chunk
        self.pending = self.pending[self.pending.index(mark) + len(mark):]

    def take_frames(self):
        """Takes stdout out of the Engine's multiplexed format."""
        while len(self.raw) >= 8:
            length = int.from_bytes(self.raw[4:8], "big")
            if len(self.raw) < 8 + length:
                break
            if self.raw[0] == 1:
                self.pending += self.raw[8:8 + length]
            self.raw = self.raw[8 + length:]

    def launch(self, arguments, mark=b"first"):
        """Milliseconds from the frame to the agent's first bytes, which are the mark."""
        self.nonce = secrets.token_hex(16)
        self.pending = b""
        began = time.monotonic()
        self.stream.sendall(frame(arguments, self.nonce))
        self.read_until(mark)
        return (time.monotonic() - began) * 1000

    def end(self):
        """Reads the trailer, acknowledges it, waits for the exit and removes the container."""
        self.read_until(self.nonce.encode() + b":")
        self.read_until(b".\n")
        self.stream.sendall(b"A")
        self.engine.call("POST", f"/containers/{self.id}/wait")
        self.remove()

    def remove(self, force=False):
        self.engine.call("DELETE", f"/containers/{self.id}?v=1{'&force=1' if force else ''}", accepted=(204, 404))
        self.stream.close()


def paddock_spec(engine, state):
    """The create request that paddock makes, read back from a sandbox of its own, without its labels."""
    containers = engine.call("GET", "/containers/json?all=1")[1]
    identity = open(os.path.join(state, "id"), encoding="ascii").read()
    ours = [c for c in containers if c["Labels"].get("io.paddock.state") == identity]
    if not ours:
        raise BenchError("no sandbox of paddock's runs: its fields cannot be read")
    details = engine.call("GET", f"/containers/{ours[0]['Id']}/json")[1]
    spec = {key: value for key, value in details["Config"].items() if key not in ("Labels", "Env")}
    spec["HostConfig"] = details["HostConfig"]
    return spec
