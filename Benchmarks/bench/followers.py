"""Many followers of one log, in one thread: each line's lag at its follower's socket."""

import re
import selectors
import socket
import struct
import time

from .common import RUN_LIMIT, BenchError

# socket(7): the kernel's clock at which what was read had arrived. Not in Python's module.
SO_TIMESTAMPNS = 35
LINE = re.compile(rb"^\d{19}$", re.M)


class Followers:
    """Connections that follow a log as text. How late they are read does not count: the kernel says when bytes came."""

    def __init__(self, server, execution, count):
        self.request = (
            f"GET /api/v1/executions/{execution}/logs?follow=true HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {server.key}\r\n\r\n").encode()
        self.selector = selectors.DefaultSelector()
        self.open = 0
        # Of every line: when it was written, and how late it came.
        self.lags = []
        for _ in range(count):
            stream = socket.create_connection(("127.0.0.1", server.port), timeout=RUN_LIMIT)
            stream.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            stream.sendall(self.request)
            stream.setblocking(False)
            self.selector.register(stream, selectors.EVENT_READ)
            self.open += 1
            self.read(0)

    def read(self, seconds):
        """Reads what comes for so long; at once what is there, for 0. Returns early when all have ended."""
        until = time.monotonic() + seconds
        while self.open:
            for key, _ in self.selector.select(max(0, until - time.monotonic())):
                self.take(key.fileobj)
            if time.monotonic() >= until:
                return

    def take(self, stream):
        data, ancillary, _, _ = stream.recvmsg(65536, 64)
        if not data:
            self.selector.unregister(stream)
            stream.close()
            self.open -= 1
            return
        for _, kind, value in ancillary:
            if kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value)
                arrived = seconds * 1_000_000_000 + nanoseconds
                for line in LINE.findall(data.replace(b"\r", b"")):
                    self.lags.append((int(line), (arrived - int(line)) / 1e6))

    def read_to_end(self):
        self.read(RUN_LIMIT)
        if self.open:
            raise BenchError(f"{self.open} followers did not come to the log's end")

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
