#!/usr/bin/env python3
"""A server that serves one log as Server-Sent Events, and cuts every connection at some byte.

    log-stub.py SEED CUTS

Prints its port. The log is that of /expected: what a client must end up with. `SIGKILL` is not its only enemy: an answer
may also end before the log does, or be 503 for a moment.
"""

import base64
import http.server
import json
import random
import sys
import threading

choice = random.Random(int(sys.argv[1]))
cuts = int(sys.argv[2])
records = []
expected = {"stdout": b"", "stderr": b""}
for number in range(400):
    stream = "stderr" if number % 7 == 3 else "stdout"
    if number % 5 == 0:
        piece = bytes(choice.randrange(256) for _ in range(choice.randrange(1, 300)))
    else:
        piece = f"line {number} ä€😀\r\n\n".encode() * choice.randrange(1, 5)
    expected[stream] += piece
    records.append((stream, piece))
ends = []
offset = 0
for _, piece in records:
    offset += len(piece)
    ends.append(offset)
lock = threading.Lock()
connections = []


def event(index):
    stream, piece = records[index]
    data = {"seq": index + 1, "stream": stream, "time": "2026-11-21T10:00:00.123Z"}
    try:
        data["text"] = piece.decode()
    except UnicodeDecodeError:
        data["encoding"], data["data"] = "base64", base64.b64encode(piece).decode()
    return f"id: {ends[index]}\nevent: log\ndata: {json.dumps(data)}\n\n: still here\n\n".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global cuts
        if self.path == "/expected":
            body = json.dumps({name: base64.b64encode(value).decode() for name, value in expected.items()}).encode()
            return self.answer(200, "application/json", body)
        if self.path == "/connections":
            return self.answer(200, "application/json", json.dumps(connections).encode())
        if self.headers["Authorization"] != "Bearer secret":
            problem = {"type": "about:blank", "title": "No", "status": 401, "detail": "no such key", "code": "unauthenticated"}
            return self.answer(401, "application/problem+json", json.dumps(problem).encode())
        last = self.headers["Last-Event-ID"]
        with lock:
            connections.append({"path": self.path, "last": last})
            cuts -= 1
            cut = cuts >= 0
            kind = choice.randrange(4)
        if cut and kind == 0 and len(connections) > 1:
            return self.answer(503, "application/json", b"{}")
        first = ends.index(int(last)) + 1 if last else 0
        body = b"".join(event(index) for index in range(first, len(records)))
        body += b'id: %d\nevent: status\ndata: {"status":"running"}\n\n' % ends[-1]
        body += b'id: %d\nevent: end\ndata: {"id":"exe_1","status":"succeeded"}\n\n' % ends[-1]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if cut:
            body = body[: choice.randrange(0, len(body))]
        while body:
            size = choice.randrange(1, 5000)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body[:size]), body[:size]))
            body = body[size:]
        # An end that looks whole, or a connection that breaks.
        if not cut or kind == 1:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
