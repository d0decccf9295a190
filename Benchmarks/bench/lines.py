"""How late a line arrives, and how late an agent ends that does what it can against it."""

import datetime
import json
import os
import subprocess
import threading
import time

from .common import BUSYBOX, PYTHON, RUN_LIMIT, BenchError, progress
from .programs import docker_command, paddock_command

# The line's own time, on the clock that containers share with their host.
LINE_AGENT = (
    "import sys, time\n"
    "for _ in range(int(sys.argv[1])):\n"
    "    sys.stdout.write('%d\\n' % time.monotonic_ns()); sys.stdout.flush(); time.sleep(0.02)\n"
)
LINES, LINE_RUNS = 150, 3
# The first lines come while the program is still being started around them.
LINES_SKIPPED = 5
# Agents that do what they can against their end at the timeout.
HOLD_UPS = {
    "stops itself": "kill -STOP $$; sleep 600",
    "stops all of its processes": "sleep 600 & sleep 600 & kill -STOP -1; sleep 600",
    "ignores SIGTERM": "trap '' TERM; while true; do sleep 1; done",
    "ignores SIGTERM, 16 levels deep": (
        "trap '' TERM; n=$((${1:-0} + 1)); [ $n -gt 16 ] && exec setsid sleep 600; "
        "(setsid sh -c \"$0\" \"$0\" $n &); [ $n = 1 ] && while true; do sleep 1; done"
    ),
}
TIMEOUT, GRACE, LATE_GOAL = 1, 0.5, 2
LINE_GOAL_MS = 50


def line_delays(command):
    """Milliseconds from the agent's own clock reading to the line's arrival here, line by line."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    timer = threading.Timer(RUN_LIMIT, process.kill)
    timer.start()
    delays, pending = [], b""
    try:
        while chunk := os.read(process.stdout.fileno(), 65536):
            now = time.monotonic_ns()
            *lines, pending = (pending + chunk).split(b"\n")
            delays += [(now - int(line)) / 1e6 for line in lines]
        errors = process.stderr.read()
        code = process.wait()
    finally:
        timer.cancel()
        process.stdout.close()
        process.stderr.close()
    if code != 0 or len(delays) <= LINES_SKIPPED:
        raise BenchError(
            f"`{' '.join(command[:2])}` ended with {code}, {len(delays)} lines:\n{errors[-1000:].decode('utf-8', 'replace')}"
        )
    return delays[LINES_SKIPPED:]


def measure_lines(options):
    command = ["python3", "-S", "-c", LINE_AGENT]
    delays = {"docker run --rm": [], "paddock run": []}
    for number in range(LINE_RUNS):
        commands = [
            ("docker run --rm", docker_command(PYTHON, [*command, str(LINES)])),
            ("paddock run", paddock_command(options, PYTHON, [*command, str(LINES)])),
        ]
        for side, words in commands if number % 2 == 0 else reversed(commands):
            delays[side] += line_delays(words)
        progress("lines", number + 1, LINE_RUNS)
    return delays


def measure_late_ends(options):
    """Seconds that an agent lasts beyond timeout and grace, until its sandbox is removed and the program has ended."""
    late = {}
    for name, script in HOLD_UPS.items():
        late[name] = []
        for _ in range(3):
            done = subprocess.run(
                [options.paddock, "run", "--json", "-q", "--timeout", str(TIMEOUT), "--grace", str(GRACE), BUSYBOX, "--",
                 "sh", "-c", script, script],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=RUN_LIMIT)
            ended = time.time()
            execution = json.loads(done.stdout)
            if execution["status"] != "timed_out":
                raise BenchError(f"an agent that {name} ended as {execution['status']}: {execution['message']}")
            started = datetime.datetime.fromisoformat(execution["startedAt"].replace("Z", "+00:00")).timestamp()
            late[name].append(ended - started - TIMEOUT - GRACE)
        progress("late ends", len(late), len(HOLD_UPS))
    return late


def measure(options, _, report):
    rows = report.table("from the agent's write to the line on our stdout", measure_lines(options), "docker run --rm")
    report.goal("line delay, ms", rows["paddock run"]["median"], LINE_GOAL_MS)
    late = measure_late_ends(options)
    print("\nbeyond timeout and grace, until all is removed (worst of three; less than 0: it ended within the grace)")
    for name, seconds in late.items():
        print(f"  {name:<42} {max(seconds):>8.2f} s")
    report.goal("late end, s", max(max(seconds) for seconds in late.values()), LATE_GOAL)
