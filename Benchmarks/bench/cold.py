"""`paddock run` against `docker run --rm` under the same caps, and against the raw calls."""

import json
import re
import statistics
import subprocess

from .common import AGENT, BUSYBOX, RUN_LIMIT, BenchError, interleave
from .engine import raw_run
from .programs import docker_command, paddock_command, timed

FIRST_BYTE_GOAL, EXIT_GOAL = 0.6, 0.7
DOCKER, PADDOCK = "docker run --rm", "paddock run"
RAW_NONE, RAW_DISABLED = "raw calls, NetworkMode none", "raw calls, NetworkDisabled"


def measure(options, engine, report):
    sides = {
        DOCKER: lambda: timed(docker_command(BUSYBOX, AGENT)),
        PADDOCK: lambda: timed(paddock_command(options, BUSYBOX, AGENT)),
        RAW_NONE: lambda: raw_run(engine, False),
        RAW_DISABLED: lambda: raw_run(engine, True),
    }
    samples = interleave(sides, options.rounds, "cold")
    for key, title, goal in (
        ("firstByte", "cold: to the first byte on stdout", FIRST_BYTE_GOAL),
        ("exit", "cold: to the exit, everything removed", EXIT_GOAL),
    ):
        rows = report.table(title, {side: [s[key] for s in values] for side, values in samples.items()}, DOCKER)
        report.goal(title, rows[PADDOCK]["ratio"], goal)
    stages(samples[RAW_DISABLED], report)
    trace(options, report)


def stages(raw, report):
    whole = statistics.median(sample["exit"] for sample in raw)
    shares = {stage: statistics.median(s["stages"][stage] for s in raw) / whole for stage in raw[0]["stages"]}
    print("\nstages of the raw calls with NetworkDisabled (share of the whole)")
    for stage, share in shares.items():
        print(f"  {stage:<42} {share * 100:>8.0f} %")
    report.tables.append({"title": "stages of the raw calls", "shares": shares})


def trace(options, report):
    """Where the time of `paddock run` goes, by its own --trace."""
    steps = {}
    for _ in range(max(5, options.rounds // 2)):
        command = paddock_command(options, BUSYBOX, AGENT)
        command.insert(2, "--trace")
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_LIMIT, text=True)
        if done.returncode != 0:
            raise BenchError(f"`paddock run --trace` ended with {done.returncode}: {done.stderr}")
        before = re.search(r"trace: ([0-9.]+) ms from", done.stderr)
        steps.setdefault("program, until the execution begins", []).append(float(before[1]))
        for step, stage in re.findall(r"^ +[0-9.]+ +([0-9.]+)  (.+)$", done.stderr, re.M):
            steps.setdefault("to " + stage, []).append(float(step))
    medians = {step: statistics.median(values) for step, values in steps.items()}
    print("\nstages of paddock run, by --trace (median, share of the whole)")
    for step, median in medians.items():
        print(f"  {step:<42} {median:>8.1f} ms {median / sum(medians.values()) * 100:>6.0f} %")
    report.tables.append({"title": "stages of paddock run", "medians": medians})
