#!/usr/bin/env python3
"""A receiver of webhooks, for the tests: checks Standard Webhooks signatures by itself, and answers by the path.

    receiver.py SECRET [CERTIFICATE KEY]

Prints its port, then a line of JSON for each request. 401 for a signature that is not good.
"""

import base64
import hashlib
import hmac
import http.server
import json
import ssl
import sys
import threading
import time

try:
    from standardwebhooks import Webhook, WebhookVerificationError
except ImportError:
    Webhook = None

SECRET = sys.argv[1]
seen = {}
lock = threading.Lock()


def library_agrees(headers, body):
    """The same question to Standard Webhooks' own library; None where it is not installed."""
    if Webhook is None:
        return None
    try:
        Webhook(SECRET).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def is_signed(headers, body):
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    name, when = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not when.isdigit() or abs(time.time() - int(when)) > 300:
        return False
    expected = hmac.new(key, f"{name}.{when}.".encode() + body, hashlib.sha256).digest()
    given = [part.split(",", 1) for part in headers.get("webhook-signature", "").split(" ")]
    return any(
        len(part) == 2 and part[0] == "v1" and hmac.compare_digest(base64.b64decode(part[1]), expected)
        for part in given
    )


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        signed = is_signed(headers, body)
        with lock:
            count = seen[self.path] = seen.get(self.path, 0) + 1
            print(
                json.dumps(
                    {
                        "path": self.path,
                        "signed": signed,
                        "library": library_agrees(headers, body),
                        "headers": headers,
                        "body": body.decode(),
                    }
                ),
                flush=True,
            )
        kind, _, rest = self.path.partition("?")[0].strip("/").partition("/")
        # A slow one is another user's, whose secret is not ours.
        if not signed and kind != "slow":
            return self.answer(401)
        if kind == "fail":
            return self.answer(500 if count <= int(rest) else 200)
        if kind == "redirect":
            return self.answer(302, {"Location": "/ok"})
        if kind == "gone":
            return self.answer(410)
        if kind == "later":
            return self.answer(429 if count == 1 else 200, {"Retry-After": rest})
        if kind == "slow":
            time.sleep(float(rest) if count == 1 else 0)
        if kind == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                self.close_connection = True
                return None
        return self.answer(200)

    def answer(self, status, headers={}):
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
server.serve_forever()
