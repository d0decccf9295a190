"""An agent that breaks the rules, one at a time, so that the sandbox can be seen to hold.

Each mode stops by itself before it could hurt a machine whose limits do not hold, and then exits with 3 and says so.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time

MIB = 1 << 20
UNBOUNDED = 3


class NotStopped(Exception):
    """The limit that a mode was made to hit was not there."""


class BadInput(Exception):
    pass


def say(text):
    print(text, flush=True)


def write_output(value):
    write_text(json.dumps(value))


def write_text(text):
    with open(os.environ["OUTPUT"], "w", encoding="utf-8") as file:
        file.write(text)


def eat(mib, step=4):
    """Takes memory and touches it, which `bytearray(n)` alone would not do."""
    held = []
    for taken in range(0, mib, step):
        held.append(b"\x01" * (step * MIB))
        say(f"holding {taken + step} MiB")
    return held


def memory(options):
    eat(options.get("mib", 2048))
    raise NotStopped("there was no memory limit")


def child_oom(options):
    """A child takes too much and is killed for it; the agent goes on and succeeds."""
    child = os.fork()
    if child == 0:
        # The kernel shall choose this process, whatever the sizes. A process may always raise its own score.
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
        eat(options.get("mib", 2048))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise NotStopped("the child was not killed")
    name = signal.Signals(os.WTERMSIG(status)).name
    say(f"the child ended by {name}; the agent goes on")
    write_output({"mode": "child_oom", "childSignal": name})


def fork(options):
    """Forks until it may not. With `forever` it keeps at it, as a fork bomb would."""
    children = 0
    said = False
    while children < 4000:
        try:
            if os.fork() == 0:
                signal.pause()
                os._exit(0)
            children += 1
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            if not said:
                say(f"no more processes after {children} children")
                said = True
            if not options.get("forever"):
                # The children are left behind on purpose: it is the sandbox that must clear them.
                write_output({"mode": "fork", "children": children, "limitReached": True})
                return
            time.sleep(0.01)
    # Nobody else would end them where not even this limit holds.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    raise NotStopped("there was no limit on processes")


def spin(options):
    deadline = time.monotonic() + options.get("seconds", 600)
    say("spinning")
    while time.monotonic() < deadline:
        pass
    raise NotStopped("nothing stopped the loop")


def ignore_term(options):
    signal.signal(signal.SIGTERM, lambda *_: say("SIGTERM received and ignored"))
    say("SIGTERM will be ignored")
    deadline = time.monotonic() + options.get("seconds", 600)
    while time.monotonic() < deadline:
        time.sleep(0.5)
    raise NotStopped("nothing stopped the agent")


def flood(options):
    """Writes whole numbered lines, so that a reader can tell what is missing."""
    mib = options.get("mib", 32)
    lines = mib * MIB // 64
    for first in range(0, lines, 1024):
        last = min(first + 1024, lines)
        sys.stdout.write("".join(f"line {number:>10} {'x' * 47}\n" for number in range(first, last)))
    sys.stdout.flush()
    write_output({"mode": "flood", "lines": lines})


def fill_tmp(options):
    """Fills /tmp by bytes and leaves it full."""
    written = 0
    block = b"\x01" * (64 << 10)
    with open("/tmp/full", "wb", buffering=0) as file:
        while written < options.get("mib", 1024) * MIB:
            try:
                written += file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                say(f"/tmp is full after {written} bytes")
                write_output({"mode": "fill_tmp", "bytes": written, "full": True})
                return
    raise NotStopped("there was no limit on the size of /tmp")


def fill_inodes(options):
    """Fills /tmp by files that hold nothing, and leaves them."""
    for number in range(options.get("files", 200_000)):
        try:
            os.close(os.open(f"/tmp/{number}", os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            say(f"/tmp is full after {number} empty files")
            write_output({"mode": "fill_inodes", "files": number, "full": True})
            return
    raise NotStopped("there was no limit on the files in /tmp")


def bad_output(_options):
    write_text('{"mode": "bad_output", "this is not JSON')
    say("wrote an output that is not JSON")


def wrong_output(_options):
    write_output({"mode": 42})
    say("wrote an output that the schema does not allow")


def big_output(options):
    kib = options.get("kib", 4096)
    try:
        write_output({"mode": "big_output", "padding": "x" * (kib << 10)})
        say(f"wrote an output of {kib} KiB")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        say("the place for the output is full")


def background(_options):
    """Leaves a child that holds stdout and stderr open: the execution must end without it."""
    child = subprocess.Popen(["sleep", "3600"])
    say(f"left process {child.pid} behind, with stdout open")
    write_output({"mode": "background"})


def exit_with(options):
    code = options.get("code", 1)
    say(f"exiting with {code}")
    sys.exit(code)


def kill_self(options):
    name = options.get("signal", "SIGKILL")
    number = getattr(signal.Signals, name, None) if name in signal.Signals.__members__ else None
    if number is None:
        raise BadInput(f"there is no signal called {name}")
    say(f"killing myself with {name}")
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    time.sleep(5)
    raise NotStopped(f"{name} did not end the agent (is it process 1?)")


MODES = {
    "memory": memory, "child_oom": child_oom, "fork": fork, "spin": spin, "ignore_term": ignore_term, "flood": flood,
    "fill_tmp": fill_tmp, "fill_inodes": fill_inodes, "bad_output": bad_output, "wrong_output": wrong_output,
    "big_output": big_output, "background": background, "exit": exit_with, "signal": kill_self,
}


def main():
    try:
        options = json.load(sys.stdin)
        mode = options.get("mode") if isinstance(options, dict) else None
        if mode not in MODES:
            raise BadInput(f"expected a mode of {', '.join(MODES)}, got {json.dumps(mode)}")
        MODES[mode](options)
    except (BadInput, ValueError) as error:
        print(f"misbehave: {error}", file=sys.stderr)
        return 2
    except NotStopped as error:
        print(f"misbehave: {error}", file=sys.stderr)
        return UNBOUNDED
    return 0


if __name__ == "__main__":
    sys.exit(main())
