"""What every benchmark shares: caps, statistics, the table, the goals."""

import os
import statistics
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RESULTS = os.path.join(ROOT, "Benchmarks", "results")
BUSYBOX = "paddock/busybox:1"
PYTHON = "paddock/python:3"
MEMORY_MIB, CPUS, PIDS = 512, 0.5, 128
# One line at once, a little work, then the end: the first byte and the exit are two different moments.
AGENT = ["sh", "-c", "echo first; i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo last"]
RUN_LIMIT = 120


class BenchError(Exception):
    pass


def say(text, end="\n"):
    print(f"bench: {text}", file=sys.stderr, end=end, flush=True)


def progress(what, done, of):
    """One line that is written over on a terminal, and a few lines elsewhere."""
    if sys.stderr.isatty():
        say(f"{what} {done}/{of}   ", end="\n" if done == of else "\r")
    elif done == of or done % max(1, of // 4) == 0:
        say(f"{what} {done}/{of}")


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def p95(values):
    return percentile(values, 0.95)


def interleave(sides, rounds, what, warm_up=2):
    """Runs each side once a round, in an order that is turned each time, so that load from elsewhere hits all of them."""
    samples = {side: [] for side in sides}
    names = list(sides)
    for number in range(-warm_up, rounds):
        shift = number % len(names)
        for side in names[shift:] + names[:shift]:
            sample = sides[side]()
            if number >= 0:
                samples[side].append(sample)
        progress(what, max(0, number + 1), rounds)
    return samples


class Report:
    """Rows and goals of one run, as a table on stdout and as JSON."""

    def __init__(self):
        self.tables, self.goals = [], []

    def table(self, title, samples, reference, unit="ms"):
        """`samples`: label to values. The ratios are of medians, and of 95th percentiles, to the reference's."""
        base, base95 = statistics.median(samples[reference]), p95(samples[reference])
        rows = [{
            "label": label, "median": round(statistics.median(values), 3), "p95": round(p95(values), 3),
            "ratio": round(statistics.median(values) / base, 4), "ratioP95": round(p95(values) / base95, 4),
            "samples": [round(value, 3) for value in values],
        } for label, values in samples.items()]
        self.tables.append({"title": title, "unit": unit, "reference": reference, "rows": rows})
        print(f"\n{title}")
        print(f"  {'':<42} {'median':>11} {'p95':>11} {'ratio':>8} {'at p95':>8}")
        for row in rows:
            print(f"  {row['label']:<42} {row['median']:>8.1f} {unit} {row['p95']:>8.1f} {unit} {row['ratio']:>8.3f}"
                  f" {row['ratioP95']:>8.3f}")
        return {row["label"]: row for row in rows}

    def lags(self, title, samples):
        """`samples`: label to milliseconds, of which p99 counts; too many to be kept one by one."""
        rows = [{
            "label": label, "count": len(values), "median": round(statistics.median(values), 3),
            "p99": round(percentile(values, 0.99), 3), "most": round(max(values), 3),
        } for label, values in samples.items()]
        self.tables.append({"title": title, "unit": "ms", "rows": rows})
        print(f"\n{title}")
        print(f"  {'':<42} {'lines':>8} {'median':>11} {'p99':>11} {'most':>11}")
        for row in rows:
            print(f"  {row['label']:<42} {row['count']:>8} {row['median']:>8.1f} ms {row['p99']:>8.1f} ms"
                  f" {row['most']:>8.1f} ms")
        return {row["label"]: row for row in rows}

    def goal(self, words, value, limit, at_most=True):
        holds = value <= limit if at_most else value >= limit
        self.goals.append({"goal": words, "value": round(value, 4), "limit": limit, "atMost": at_most, "holds": holds})

    def show_goals(self):
        print("\ngoals")
        for goal in self.goals:
            side = "at most" if goal["atMost"] else "at least"
            print(f"  {'holds ' if goal['holds'] else 'MISSED'} {goal['goal']}: {goal['value']:.3f}, {side} {goal['limit']:g}")
