"""Decisions (docs/entitlements.md) per second on SQLite and on a PostgreSQL of their own, whose commits wait for the disk."""

import json
import os
import statistics
import subprocess

from .common import BenchError, say

# On PostgreSQL, for different users.
GOAL_PER_SECOND, GOAL_P99_MS, GOAL_RATIO = 2000, 10, 1.2


def run_program(options, what, backend):
    """What `AdmissionProgram`, beside paddock, says of itself."""
    program = os.path.join(os.path.dirname(options.paddock), "AdmissionProgram")
    if not os.access(program, os.X_OK):
        raise BenchError(f"there is no {program}: run `swift build -c release --product AdmissionProgram`")
    say(f"{what} on {backend}")
    done = subprocess.run([program, what, backend], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BenchError(f"`{program} {what} {backend}` ended with {done.returncode}")
    return json.loads(done.stdout)


def rates(rows):
    return {f"{row['tasks']} tasks": [row["perSecond"]] for row in rows}


def measure(options, engine, report):
    for backend in ("sqlite", "postgres"):
        figures = run_program(options, "bench", backend)
        admitted = figures["admitted"]
        table = {f"admitted, {name}": values for name, values in rates(admitted).items()}
        table |= {f"admitted, commits unflushed, {name}": values for name, values in rates(figures["unflushed"]).items()}
        table["admitted, one user, 8 tasks"] = [figures["contended"]["perSecond"]]
        table |= {f"denied by the quota, {name}": values for name, values in rates(figures["denied"]).items()}
        report.table(f"admission: decisions per second on {backend}", table, "admitted, 1 tasks", unit="/s")
        times = {}
        for row in admitted + [dict(row, note=", commits unflushed") for row in figures["unflushed"]]:
            for name in ("p50", "p99"):
                times[f"{name}, {row['tasks']} tasks{row.get('note', '')}"] = [row[f"{name}Ms"]]
        report.table(f"admission: one decision on {backend}", times, "p50, 1 tasks")
        report.table(f"admission: one decision by what is stored, on {backend}, p50 of 8 tasks", {
            "1,000 past executions": [row["p50Ms"] for row in figures["small"]],
            "1,000,000 past executions": [row["p50Ms"] for row in figures["large"]],
        }, "1,000 past executions")
        ratio = statistics.median(row["p50Ms"] for row in figures["large"]) / statistics.median(
            row["p50Ms"] for row in figures["small"])
        report.goal(f"admission: {backend}, at 1,000,000 past executions, of at 1,000", ratio, GOAL_RATIO)
        if backend == "postgres":
            for row in admitted:
                words = f"admission: postgres, {row['tasks']} tasks"
                report.goal(f"{words}, decisions per second", row["perSecond"], GOAL_PER_SECOND, at_most=False)
                report.goal(f"{words}, p99 in ms", row["p99Ms"], GOAL_P99_MS)
