"""The queue of executions (docs/storage.md) on both databases: submissions and claims, and what a submission costs by what is
stored."""

from .admission import run_program


def measure(options, engine, report):
    for backend in ("sqlite", "postgres"):
        figures = run_program(options, "queue", backend)
        report.table(f"queue: per second on {backend}, 8 tasks", {
            "submitted": figures["enqueuedPerSecond"], "claimed": figures["claimedPerSecond"],
        }, "submitted", unit="/s")
        report.table(f"queue: one submission by what is stored, on {backend}, p50 of 1 task", {
            f"{int(stored):,} executions": figures["submitMs"][stored] for stored in sorted(figures["submitMs"], key=int)
        }, "10 executions")
