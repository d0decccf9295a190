"""Many followers of logs at once: one task and one connection each, spoken to in plain HTTP."""

import asyncio
import concurrent.futures
import json


def run(coroutine):
    """In a thread of its own: the browser's driver has a loop in this one."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


class Cut(Exception):
    """The answer broke off: it has no proper end."""


async def follow(server, key, execution, accept="text/plain", last=None):
    """Everything that one follower is given, up to the proper end of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
    try:
        resume = f"Last-Event-ID: {last}\r\n" if last else ""
        writer.write(
            f"GET /api/v1/executions/{execution}/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {key}\r\nAccept: {accept}\r\n{resume}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise Cut(head.decode())
        body = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body.append((await reader.readexactly(size + 2))[:-2])
        return b"".join(body)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Cut(str(error)) from None
    finally:
        writer.close()


def events(body):
    """Of a stream of events: (id, event, data)."""
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


def text(events):
    return "".join(data["text"] for _, event, data in events if event == "log")
