"""How many sandboxes are best prepared at once: servers that differ in `pool.parallel` alone, in slices that take turns."""

import contextlib
import os
import time

from .common import AGENT, BUSYBOX, progress
from .rate import LANES, on_server, slice_of
from .serving import Server

SLICE_SECONDS = 10


def degrees():
    """1, 2, 4, … up to twice the processors."""
    degree = 1
    while degree <= 2 * (os.cpu_count() or 1):
        yield degree
        degree *= 2


def timed_lanes(server, agent, times):
    """As `on_server`, with each execution's milliseconds added to `times`."""
    lane = on_server(server, agent)

    def timed_lane(number):
        run = lane(number)

        def timed_run():
            began = time.monotonic()
            run()
            times.append((time.monotonic() - began) * 1000)

        return timed_run
    return timed_lane


def measure(options, _, report):
    slices = max(2, options.rate_seconds // SLICE_SECONDS)
    with contextlib.ExitStack() as stack:
        sides = {}
        for degree in degrees():
            settings = {"node.slots": str(LANES), "pool.parallel": str(degree)}
            server = stack.enter_context(Server(options, settings))
            sides[f"pool.parallel {degree}"] = (server, server.add_agent(BUSYBOX, AGENT))
        rates, times = {side: [] for side in sides}, {side: [] for side in sides}
        names = list(sides)
        for number in range(-1, slices):
            shift = number % len(names)
            for side in names[shift:] + names[:shift]:
                taken = []
                rate = slice_of(timed_lanes(*sides[side], taken), options.rate_seconds / slices)
                if number >= 0:
                    rates[side].append(rate)
                    times[side] += taken
            progress("pool", max(0, number + 1), slices)
    report.table(f"executions per second, {LANES} at once", rates, names[0], unit="/s")
    report.table("submitted until ended", times, names[0])
