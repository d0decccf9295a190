"""Clients that leave while the server holds its answer back, and clients that must."""

import json
import re
import socket

import httpx
import pytest

from conftest import Client, create_agent, serving, until


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


def test_a_log_that_is_open_ends_when_its_key_is_revoked_and_another_key_reads_on(image):
    with serving() as (server, admin):
        execution = admin.run(create_agent(admin, image), {"count": 3000, "pause": 0.05})["id"]
        keys = [admin.post("/api/v1/keys", json={"name": name}).json() for name in ("revoked", "kept")]
        follow = f"/api/v1/executions/{execution}/logs?follow=true"
        with Client(server, keys[0]["key"]) as revoked, Client(server, keys[1]["key"]) as kept:
            with revoked.stream("GET", follow) as ending, kept.stream("GET", follow) as going_on:
                lines, others = ending.iter_lines(), going_on.iter_lines()
                next(lines)
                assert admin.delete(f"/api/v1/keys/{keys[0]['id']}").status_code == 204
                with pytest.raises(httpx.RemoteProtocolError):
                    for _ in lines:
                        pass
                assert admin.get(f"/api/v1/executions/{execution}").json()["status"] == "running"
                for _ in range(200):
                    next(others)
        admin.post(f"/api/v1/executions/{execution}/cancel", json={"graceSeconds": 0})
