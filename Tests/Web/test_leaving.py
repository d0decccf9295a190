"""Clients that leave while the server holds its answer back."""

import json
import re
import socket

import pytest

from conftest import create_agent, serving, until


def active(admin):
    """Requests under way, this one among them."""
    return int(float(re.search(r"^paddock_http_requests_active (\S+)", admin.get("/metrics").text, re.M)[1]))


def send(server, key, line, body=None, more=b""):
    """A connection of its own, on which this was sent and nothing read."""
    text = json.dumps(body) if body else ""
    head = f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode() + more)
    return connection


@pytest.mark.parametrize("more", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["alone", "with another request behind"])
def test_a_client_that_leaves_ends_its_wait_and_nothing_else(image, more):
    with serving(PADDOCK_SLOTS="0") as (server, admin):
        agent = create_agent(admin, image)
        queued = admin.run(agent, {"count": 1})["id"]
        lines = [
            ("POST /api/v1/executions?wait=60", {"agentId": agent, "input": {"count": 1}}),
            (f"GET /api/v1/executions/{queued}/wait?timeout=60", None),
        ]
        for line, body in lines:
            connections = [send(server, admin.key, line, body, more) for _ in range(3)]
            until(lambda: active(admin) == 4, f"three of {line}")
            for connection in connections:
                connection.close()
            until(lambda: active(admin) == 1, f"the end of three of {line}", limit=20)
        assert server.process.poll() is None
        assert len(admin.get("/api/v1/executions").json()["executions"]) == 4
