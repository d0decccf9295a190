"""Writes what its input says: `{"lines": [TEXT…], "count": N, "width": BYTES, "pause": SECONDS, "wait": SECONDS}`."""

import json
import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
task = json.load(sys.stdin)
for line in task.get("lines", []):
    print(line, flush=True)
count = task.get("count", 0)
pause = task.get("pause", 0)
for number in range(count):
    sys.stdout.write(f"line {number} of {count}".ljust(task.get("width", 0)) + "\n")
    if pause:
        sys.stdout.flush()
        time.sleep(pause)
sys.stdout.flush()
time.sleep(task.get("wait", 0))
with open(os.environ["OUTPUT"], "w", encoding="utf-8") as file:
    json.dump({"count": count}, file)
