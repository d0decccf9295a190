"""A server of the tests' own: the built program, a state folder and a database in a temporary folder, the real Engine."""

import contextlib
import json
import os
import pathlib
import queue
import re
import resource
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import httpx
import pytest
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / os.environ.get("PADDOCK_PROGRAM", ".build/debug/paddock")
DOCUMENT = ROOT / "Sources/API/OpenAPI/openapi.yaml"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
IMAGE = "paddock-tests/web-agent:latest"

# A thousand followers are a thousand sockets.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "images/base"))
from engine import Engine  # noqa: E402


def until(condition, what, limit=120.0):
    """Waits for a condition, and gives back what it was true with."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {limit} s")


class Server:
    """`paddock serve`, which can be ended and started again on the same state."""

    def __init__(self, folder, **settings):
        self.folder = folder
        self.settings = settings
        # A certificate of its own.
        self.authority = settings.get("PADDOCK_TLS_CERT")
        self.process = None
        self.port = 0
        self.key = None

    @property
    def url(self):
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    @property
    def trust(self):
        return ssl.create_default_context(cafile=self.authority) if self.authority else True

    def start(self):
        environment = {
            **os.environ, "PADDOCK_STATE_DIR": str(self.folder), "PADDOCK_REQUEST_LIMIT": "0", "PADDOCK_LISTEN": "127.0.0.1",
            "PORT": str(self.port), **self.settings,
        }
        for name in ("DATABASE_URL", "JWT_SECRET", "PADDOCK_CONFIG"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [PROGRAM, "serve"], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        lines = queue.Queue()
        self.log = []

        def read(stream):
            for line in stream:
                self.log.append(line)
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, args=(self.process.stdout,), daemon=True).start()
        deadline = time.monotonic() + 180
        while True:
            try:
                line = lines.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the server does not serve:\n{''.join(self.log)}") from None
            if line is None:
                raise AssertionError(f"the server has ended:\n{''.join(self.log)}")
            port = re.search(r'"port":"?(\d+)', line)
            if '"serving"' in line and port:
                self.port = int(port.group(1))
                break
        assert not re.search(r"pdk_[0-9a-z]{12}_", "".join(self.log)), "a key is in the log"
        # Of the first start only, and not on a terminal.
        first = self.folder / "first-admin.key"
        if first.exists():
            assert first.stat().st_mode & 0o777 == 0o600
            self.key = first.read_text().strip()
            first.unlink()

    def stop(self, by=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(by)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Client(httpx.Client):
    """The API as somebody with a key sees it."""

    def __init__(self, server, key):
        super().__init__(
            base_url=server.url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=90, verify=server.trust)
        self.key = key

    def run(self, agent, task, **more):
        answer = self.post("/api/v1/executions", json={"agentId": agent, "input": task, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def wait(self, execution):
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            now = self.get(f"/api/v1/executions/{execution}/wait?timeout=30").json()
            if now["finishedAt"]:
                return now
        raise AssertionError(f"{execution} does not end")


@contextlib.contextmanager
def serving(**settings):
    """A server, and its administrator."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="paddock-web-"))
    server = Server(folder, **settings)
    server.start()
    try:
        with Client(server, server.key) as client:
            client.id = client.get("/api/v1/users/me").json()["id"]
            # The tests run more than a tier allows.
            many = {"executionsPerHour": 100000, "executionsPerDay": 100000, "maxConcurrent": 100}
            answer = client.put(f"/api/v1/users/{client.id}/access", json=many)
            assert answer.status_code == 200, answer.text
            yield server, client
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def served():
    with serving() as pair:
        yield pair


@pytest.fixture(scope="session")
def server(served):
    return served[0]


@pytest.fixture(scope="session")
def admin(served):
    return served[1]


@pytest.fixture(scope="session")
def image():
    import tarfile
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.add(ROOT / "Tests/Web/agent", arcname=".")
        Engine().build(context, IMAGE, {"paddock.test": "web"})
    return IMAGE


AGENT_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "count": {"type": "integer", "minimum": 0, "maximum": 100000, "description": "How many lines"},
        "width": {"type": "integer", "minimum": 0, "maximum": 1000},
        "pause": {"type": "number", "minimum": 0, "maximum": 10, "default": 0},
        "wait": {"type": "number", "minimum": 0, "maximum": 60},
        "lines": {"type": "array", "items": {"type": "string"}},
    },
}


@pytest.fixture(scope="session")
def agent(admin, image):
    return create_agent(admin, image)


def create_agent(admin, image):
    """Its id. It is free, and writes what its input says."""
    answer = admin.post("/api/v1/agents", json={
        "name": "writer", "description": "Writes the lines that its input asks for.", "category": "UTILITY",
        "price": "0", "priceToken": "USD", "dockerImage": image, "inputSchema": AGENT_SCHEMA,
        "limits": {"memoryMiB": 64, "timeoutSeconds": 60, "graceSeconds": 2},
    })
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """A page of its own. What the browser complains about fails the test: a policy that was broken, a script's error."""
    context = browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.complaints = complaints
    yield page
    context.close()
    # Refusals that a test asks for are answers, which Chromium reports as errors too.
    unexpected = [text for text in complaints if "Failed to load resource" not in text]
    assert not unexpected, unexpected


@pytest.fixture
def signed_in(page, admin):
    page.goto("/")
    page.get_by_label("API key or token").fill(admin.key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Executions").wait_for()
    return page


def events_of(response):
    """Every event of a stream that ends: (id, event, data)."""
    import sseclient
    return [(event.id, event.event, json.loads(event.data)) for event in sseclient.SSEClient(response.iter_bytes()).events()]
