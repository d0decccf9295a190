"""Fresh sandboxes per second, one after another in each of a few lanes, in slices that take turns."""

import subprocess
import threading
import time

from .common import AGENT, BUSYBOX, RUN_LIMIT, BenchError, progress
from .engine import Engine, raw_run
from .programs import paddock_command
from .warm import own_spec, raw_launch

LANES = 4
RAW_NONE, RAW_OWN = "raw calls, NetworkMode none", "raw calls, our own fields and init"
PADDOCK = "paddock run, a program each"


def slice_of(body, seconds):
    """Runs `body(lane)` again and again in each lane for some seconds; returns ended runs per second."""
    until = time.monotonic() + seconds
    counts, failures = [0] * LANES, []
    ends = [0.0] * LANES

    def lane(number):
        run = body(number)
        try:
            while time.monotonic() < until:
                run()
                counts[number] += 1
        except Exception as error:  # shown by the main thread
            failures.append(error)
        ends[number] = time.monotonic()

    began = time.monotonic()
    threads = [threading.Thread(target=lane, args=(number,)) for number in range(LANES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts) / (max(ends) - began)


def run_paddock(options):
    done = subprocess.run(
        paddock_command(options, BUSYBOX, AGENT), stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT)
    if done.returncode != 0:
        raise BenchError(f"`paddock run` ended with {done.returncode}: {done.stderr[-300:]!r}")


def measure(options, engine, report):
    spec = own_spec(options, engine)

    def raw(body):
        def lane(_):
            own = Engine(engine.path)
            return lambda: body(own)
        return lane

    sides = {
        RAW_NONE: raw(lambda own: raw_run(own, False)),
        RAW_OWN: raw(lambda own: raw_launch(own, spec)),
        PADDOCK: lambda _: lambda: run_paddock(options),
    }
    slices = max(2, options.rate_seconds // 10)
    rates = {side: [] for side in sides}
    names = list(sides)
    for number in range(slices):
        for side in names[number % len(names):] + names[:number % len(names)]:
            rates[side].append(slice_of(sides[side], options.rate_seconds / slices))
        progress("rate", number + 1, slices)
    rows = report.table(f"fresh sandboxes per second, {LANES} at once", rates, RAW_NONE, unit="/s")
    report.goal("rate: paddock run, of raw calls with NetworkMode none", rows[PADDOCK]["ratio"], 1.4, at_most=False)
    own = rows[PADDOCK]["median"] / rows[RAW_OWN]["median"]
    report.goal("rate: paddock run, of raw calls with our own fields", own, 0.95, at_most=False)
