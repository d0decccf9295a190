"""Writes a line every 100 ms for a number of seconds. Good for watching a log arrive.

Each line carries the time since the start as the agent saw it, so that a reader can tell how late a line is.
"""

import json
import os
import signal
import sys
import time

INTERVAL = 0.1


class Stopped(Exception):
    pass


def on_term(_number, _frame):
    raise Stopped


def read_seconds():
    try:
        value = json.load(sys.stdin)
    except ValueError as error:
        sys.exit(f"ticker: the input is not JSON: {error}")
    seconds = 3 if value is None else value.get("seconds", 3) if isinstance(value, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= 86400:
        sys.exit(f'ticker: expected {{"seconds": N}} with N from 0 to 86400, got {json.dumps(value)[:200]}')
    return seconds


def main():
    signal.signal(signal.SIGTERM, on_term)
    seconds = read_seconds()
    total = round(seconds / INTERVAL)
    start = time.monotonic()
    done = 0
    try:
        for number in range(1, total + 1):
            # Against the start, not against the last line: the ticks do not drift.
            time.sleep(max(0, start + number * INTERVAL - time.monotonic()))
            print(f"tick {number}/{total} at {time.monotonic() - start:.3f} s", flush=True)
            done = number
    except Stopped:
        print(f"stopped after {done} of {total} ticks", flush=True)
        # 128 + SIGTERM, the way that a shell reports it.
        return 143
    with open(os.environ["OUTPUT"], "w", encoding="utf-8") as file:
        json.dump({"ticks": done, "seconds": round(time.monotonic() - start, 3)}, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
