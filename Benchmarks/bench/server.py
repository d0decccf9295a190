"""HTTP submit to the first log byte at a client of the event stream, with sandboxes that are prepared ahead."""

import http.client
import time

from .common import AGENT, BUSYBOX, RUN_LIMIT, BenchError, interleave
from .programs import docker_command, timed
from .serving import Server
from .warm import own_spec, raw_launch

DOCKER, RAW, SERVER = "docker run --rm", "raw launch in a prepared sandbox", "HTTP submit to the event stream"


def submit_to_first_byte(server, agent, submits):
    """Milliseconds; those of the submit alone are added to `submits`. Begins when a sandbox waits."""
    server.wait_until_prepared()
    stream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=RUN_LIMIT)
    stream.connect()
    began = time.monotonic()
    execution = server.submit(agent)
    submits.append((time.monotonic() - began) * 1000)
    response = server.request(stream, "GET", f"/executions/{execution}/logs?follow=true", accept="text/event-stream")
    received = b""
    while b'"text":"first' not in received:
        chunk = response.read1(65536)
        if not chunk and response.isclosed():
            raise BenchError(f"the event stream ended, {response.status}: {received[-600:]!r}")
        received += chunk
    milliseconds = (time.monotonic() - began) * 1000
    while response.read1(65536):
        pass
    stream.close()
    return milliseconds


def measure(options, engine, report):
    spec = own_spec(options, engine)
    with Server(options) as server:
        agent = server.add_agent(BUSYBOX, AGENT)
        # The first one has a cold start, and says that there is demand.
        server.wait(server.submit(agent))
        submits = []
        samples = interleave({
            DOCKER: lambda: timed(docker_command(BUSYBOX, AGENT))["firstByte"],
            RAW: lambda: raw_launch(engine, spec),
            SERVER: lambda: submit_to_first_byte(server, agent, submits),
        }, options.rounds, "server")
    samples["of that, until the submit is answered"] = submits[-options.rounds:]
    rows = report.table("server: to the first byte", samples, DOCKER)
    report.goal("server: first byte, of docker run, at the median", rows[SERVER]["ratio"], 1 / 50)
    report.goal("server: first byte, of docker run, at p95", rows[SERVER]["ratioP95"], 1 / 20)
    report.goal("server: beyond the raw launch, ms at the median", rows[SERVER]["median"] - rows[RAW]["median"], 3)
