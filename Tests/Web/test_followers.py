"""Logs with many followers, and with some that do not read."""

import asyncio
import re
import socket

import pytest

from conftest import DESCRIPTORS, create_agent, serving, until
from followers import Cut, events, follow, run, text

pytestmark = pytest.mark.skipif(DESCRIPTORS < 4096, reason=f"only {DESCRIPTORS} files may be open here")


def expected(count, width=0):
    return "".join(f"line {number} of {count}".ljust(width) + "\n" for number in range(count))


def metric(admin, name):
    """0 for one that nothing was measured of."""
    found = re.search(rf"^{name} (\S+)$", admin.get("/metrics").text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def test_a_thousand_follow_one_execution_and_each_gets_every_byte_once(server, admin, agent):
    execution = admin.run(agent, {"count": 60, "pause": 0.2})["id"]
    until(lambda: admin.get(f"/api/v1/executions/{execution}").json()["status"] == "running", "it runs")

    async def all_of_them():
        # Some read events, the others text.
        return await asyncio.gather(*(
            follow(server, admin.key, execution, "text/event-stream" if number % 10 == 0 else "text/plain")
            for number in range(1000)))

    bodies = run(all_of_them())
    assert {body for number, body in enumerate(bodies) if number % 10} == {expected(60).encode()}
    for body in bodies[::10]:
        seen = events(body)
        assert text(seen) == expected(60)
        assert seen[-1][1] == "end" and seen[-1][2]["status"] == "succeeded"
    until(lambda: metric(admin, "paddock_log_followers") == 0, "nobody follows any more")


def test_two_hundred_follow_fifty_executions_from_the_queue_on(server, admin, agent):
    executions = [admin.run(agent, {"lines": [f"this is {number}"], "count": 20, "pause": 0.05})["id"] for number in range(50)]

    async def all_of_them():
        return await asyncio.gather(*(follow(server, admin.key, execution) for execution in executions for _ in range(4)))

    bodies = run(all_of_them())
    for index, body in enumerate(bodies):
        assert body.decode() == f"this is {index // 4}\n" + expected(20)


def test_those_that_do_not_read_are_cut_and_cost_nothing_to_the_others(image):
    with serving(PADDOCK_WRITE_TIMEOUT="15s") as (server, admin):
        agent = create_agent(admin, image)
        # More than the kernel takes for a socket.
        execution = admin.run(agent, {"count": 60_000, "width": 250})["id"]
        idle = []
        for _ in range(50):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(
                f"GET /api/v1/executions/{execution}/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {admin.key}\r\n\r\n".encode())
            idle.append(connection)
        whole = expected(60_000, 250)
        before = metric(admin, "process_resident_memory_bytes")
        # Who reads gets all of it meanwhile.
        assert run(follow(server, admin.key, execution)).decode() == whole
        assert admin.wait(execution)["status"] == "succeeded"
        until(lambda: metric(admin, "paddock_log_followers") == 0, "those that do not read are given up")
        # Less than if each of them had its log in memory.
        assert metric(admin, "process_resident_memory_bytes") - before < 50 * len(whole) / 4
        for connection in idle:
            connection.settimeout(60)
            rest = b""
            try:
                while part := connection.recv(1 << 16):
                    rest += part
            except ConnectionResetError:
                pass
            assert rest and len(rest) < len(whole) and not rest.endswith(b"0\r\n\r\n"), "it looks like the end"
            connection.close()


def test_a_server_that_stops_ends_streams_properly_and_they_go_on_after_it(image):
    with serving(PADDOCK_NODE_STOP_TIMEOUT="1s") as (server, admin):
        agent = create_agent(admin, image)
        execution = admin.run(agent, {"count": 250, "pause": 0.1})["id"]

        async def until_it_stops():
            streams = [asyncio.create_task(follow(server, admin.key, execution, "text/event-stream")) for _ in range(20)]
            plain = asyncio.create_task(follow(server, admin.key, execution))
            while metric(admin, "paddock_log_followers") < 21 or metric(admin, "paddock_log_bytes_total") < 100:
                await asyncio.sleep(0.05)
            await asyncio.to_thread(server.stop)
            # Text has no word for its end: what is not all of it must not look whole.
            with pytest.raises(Cut):
                await plain
            return await asyncio.gather(*streams)

        # Each has an end: no exception.
        parts = [events(body) for body in run(until_it_stops())]
        assert server.process.returncode == 0
        assert all(seen[-1][1] != "end" for seen in parts)
        server.start()

        async def the_rest():
            return await asyncio.gather(*(
                follow(server, admin.key, execution, "text/event-stream", last=seen[-1][0]) for seen in parts))

        for first, body in zip(parts, run(the_rest())):
            rest = events(body)
            assert text(first) and text(first) + text(rest) == expected(250)
            assert rest[-1][1] == "end" and rest[-1][2]["status"] == "succeeded"


def test_a_user_has_so_many_logs_open_and_no_more(image):
    with serving(PADDOCK_LOG_STREAMS="3") as (server, admin):
        agent = create_agent(admin, image)
        execution = admin.run(agent, {"lines": ["here"], "wait": 60})["id"]
        path = f"/api/v1/executions/{execution}/logs"

        async def three():
            streams = [asyncio.create_task(follow(server, admin.key, execution)) for _ in range(3)]
            while metric(admin, "paddock_log_followers") < 3 or metric(admin, "paddock_log_bytes_total") == 0:
                await asyncio.sleep(0.05)
            refused = await asyncio.to_thread(admin.get, path)
            assert refused.status_code == 429 and refused.json()["code"] == "concurrency_limited", refused.text
            assert refused.headers["retry-after"]
            await asyncio.to_thread(admin.post, f"/api/v1/executions/{execution}/cancel", json={"graceSeconds": 0})
            assert await asyncio.gather(*streams) == [b"here\n"] * 3

        run(three())
        # A head has no log.
        for _ in range(5):
            admin.head(path)
        until(lambda: admin.get(path).text == "here\n", "there is room again")
