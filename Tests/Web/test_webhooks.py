"""Webhooks and traces, from the request to the receiver, checked with Standard Webhooks' own library."""

import contextlib
import http.server
import json
import threading

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from conftest import create_agent, serving, until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@contextlib.contextmanager
def receiver():
    """Its URL, and what it receives: (headers, body). It takes nothing at the path /away."""
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((dict(self.headers.items()), body))
            self.send_response(410 if self.path == "/away" else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()


def small(headers):
    return {name.lower(): value for name, value in headers.items()}


def test_a_trace_goes_through_and_a_new_key_signs_beside_the_old_one(image):
    settings = {"PADDOCK_WEBHOOKS_ALLOW_HTTP": "true", "PADDOCK_EGRESS_ALLOW_PRIVATE": "127.0.0.0/8"}
    with serving(**settings) as (server, admin), receiver() as (url, received):
        agent = create_agent(admin, image)

        def run(path, headers=None):
            body = {"agentId": agent, "input": {"count": 1}, "webhookUrl": url + path, "labels": {"own": "1"}}
            answer = admin.post("/api/v1/executions", json=body, headers=headers or {})
            assert answer.status_code == 201, answer.text
            return answer.json()["id"]

        def delivery(execution):
            page = admin.get(f"/api/v1/webhooks/deliveries?executionId={execution}").json()
            return page["deliveries"][0]

        first = run("/here", {"traceparent": PARENT, "X-Request-ID": "traced"})
        until(lambda: received, "it is told")
        headers, body = received.pop()
        headers = small(headers)
        old = admin.get("/api/v1/users/me").json()["webhookSecret"]
        assert Webhook(old).verify(body, headers)["data"]["id"] == first
        # The same trace, and a part of it of its own.
        assert headers["traceparent"].split("-")[1] == TRACE and headers["traceparent"] != PARENT
        shown = admin.get(f"/api/v1/executions/{first}").json()
        assert shown["labels"] == {"own": "1", "trace.id": TRACE}
        found = admin.get("/api/v1/executions", params={"label.trace.id": TRACE}).json()["executions"]
        assert [one["id"] for one in found] == [first]
        line = until(lambda: [one for one in server.log if '"request.id":"traced"' in one], "the request's line")[0]
        assert json.loads(line)["trace.id"] == TRACE and json.loads(line)["http.status"] == 201
        until(lambda: delivery(first)["status"] == "delivered", "it is written down")
        (attempt,) = delivery(first)["attempts"]
        assert attempt["status"] == 204 and attempt["address"] == "127.0.0.1" and attempt["failure"] is None

        assert admin.post("/api/v1/webhooks/rotate-key").status_code == 204
        new = admin.get("/api/v1/users/me").json()["webhookSecret"]
        assert new != old
        run("/here", {"traceparent": "00-bad"})
        until(lambda: received, "it is told")
        headers, body = received.pop()
        headers = small(headers)
        assert "traceparent" not in headers
        for secret in (old, new):
            Webhook(secret).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)

        gone = run("/away")
        until(lambda: delivery(gone)["status"] == "failed", "it is given up")
        assert "410" in delivery(gone)["attempts"][0]["failure"]
        failed = admin.get("/api/v1/webhooks/deliveries?status=failed").json()["deliveries"]
        assert [one["executionId"] for one in failed] == [gone]
        page = admin.get("/api/v1/webhooks/deliveries?limit=2").json()
        rest = admin.get(f"/api/v1/webhooks/deliveries?limit=2&cursor={page['nextCursor']}").json()
        assert len({one["id"] for one in page["deliveries"] + rest["deliveries"]}) == 3 and rest["nextCursor"] is None
