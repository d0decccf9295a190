"""The two command lines, timed from before the fork."""

import os
import subprocess
import threading
import time

from .common import CPUS, MEMORY_MIB, PIDS, RUN_LIMIT, BenchError


def paddock_command(options, image, command, input_json="{}"):
    return [
        options.paddock, "run", "--quiet", "--input", input_json, "--memory", str(MEMORY_MIB), "--cpus", str(CPUS),
        "--pids", str(PIDS), image, "--", *command,
    ]


def docker_command(image, command):
    return [
        "docker", "run", "--rm", "--network", "none", "--memory", f"{MEMORY_MIB}m", "--memory-swap", f"{MEMORY_MIB}m",
        "--cpus", str(CPUS), "--pids-limit", str(PIDS), image, *command,
    ]


def timed(command):
    """Milliseconds from before the fork to the first byte on stdout, and to the exit."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    timer = threading.Timer(RUN_LIMIT, process.kill)
    timer.start()
    try:
        data = os.read(process.stdout.fileno(), 65536)
        first = time.monotonic()
        while chunk := os.read(process.stdout.fileno(), 65536):
            data += chunk
        # Before wait: closes with the process.
        errors = process.stderr.read()
        code = process.wait()
        ended = time.monotonic()
    finally:
        timer.cancel()
        process.stdout.close()
        process.stderr.close()
    if code != 0 or data != b"first\nlast\n":
        raise BenchError(
            f"`{' '.join(command[:2])}` ended with {code}, stdout {data[:200]!r}:\n{errors[-1000:].decode('utf-8', 'replace')}"
        )
    return {"firstByte": (first - began) * 1000, "exit": (ended - began) * 1000}
