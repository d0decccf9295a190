#!/usr/bin/env python3
"""Drives the sandbox init as a runner would. Needs root (for unshare), gcc, iproute2 and Python 3.9; no Engine.

Each sandbox is a PID, mount and network namespace with a /tmp, a /run/paddock and cgroup files of its own, and the init
is built with the address and undefined behaviour sanitizers; SANDBOX_INIT=FILE tests a binary instead. Every wait is
for a condition and has a deadline.
"""
import base64
import fcntl
import hashlib
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "Sources" / "SandboxInit", ROOT / "Sources" / "EgressForwarder"]
NONCE = "0123456789abcdef" * 2
MARK = b"\x1e" + NONCE.encode() + b"\n"
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or os.path.realpath(sys.executable)
UID = 12345
PATIENCE = 20.0

FAKE_V1 = {
    "memory/memory.limit_in_bytes": "67108864\n", "memory/memory.memsw.limit_in_bytes": "67108864\n",
    "memory/memory.swappiness": "0\n", "memory/memory.kmem.tcp.limit_in_bytes": "16777216\n",
    "memory/memory.max_usage_in_bytes": "4096000\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
    "cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n",
    "cpuacct/cpuacct.usage": "5000000000\n", "pids/pids.max": "32\n", "pids/pids.events": "max 3\n",
}
FAKE_V2 = {
    "memory.max": "67108864\n", "memory.swap.max": "0\n", "memory.peak": "8192000\n",
    "memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 5\n",
    "cpu.max": "50000 100000\n", "cpu.stat": "usage_usec 1000000\nuser_usec 1\nsystem_usec 2\n",
    "pids.max": "max\n", "pids.events": "max 0\n",
}
SETUP = r"""
set -e
mount --bind "$CGROUP" /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir /run/paddock /run/init
mount -t tmpfs -o mode=1777,size=256m tmpfs /run/paddock
cp "$INIT" /run/init/init
mount -t tmpfs -o mode=1777,size=64m,nr_inodes=1000 tmpfs /tmp
cd /
ip link set lo up
root=/
eval "$PREPARE"
log=log_path=/sys/fs/cgroup/sanitizer
exec chroot $root env -i ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:$log UBSAN_OPTIONS=$log $RUN_AS /run/init/init
"""

build_folder = None


def setUpModule():
    global build_folder
    if os.getuid() != 0:
        raise unittest.SkipTest("needs root, for unshare")
    build_folder = tempfile.TemporaryDirectory(prefix="sandbox-init-")
    if "SANDBOX_INIT" in os.environ:
        shutil.copy(os.environ["SANDBOX_INIT"], build_folder.name + "/init")
        return
    subprocess.run(
        ["gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g",
         # Linked statically, the two sanitizers share a log: the forwarder has no stderr to complain on.
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-static-libasan", "-static-libubsan", "-o", build_folder.name + "/init",
         *(f"-I{folder}" for folder in SOURCES), *(str(f) for folder in SOURCES for f in sorted(folder.glob("*.c")))],
        check=True)


def tearDownModule():
    build_folder.cleanup()


def record(kind, data=b""):
    return kind.encode() + struct.pack("<I", len(data)) + data


def string(kind, text):
    return record(kind, os.fsencode(text) + b"\0")


def number(kind, value):
    return record(kind, struct.pack("<Q", value))


def parts(args=("/bin/true",), length=0, **options):
    """The records of a good frame, by name, so that a test can replace or drop one."""
    environment = options.get("env", {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    result = {
        "n": string("n", NONCE),
        "a": b"".join(string("a", a) for a in args),
        "e": b"".join(string("e", f"{k}={v}") for k, v in environment.items()),
        "w": string("w", options.get("cwd", "/tmp")),
        "o": number("o", options.get("output", 1 << 20)),
        "i": number("i", length),
        "d": number("d", options.get("deadline", 60_000)),
    }
    if "cpu" in options:
        result["c"] = number("c", options["cpu"])
    if "port" in options:
        result["p"] = number("p", options["port"])
    if options.get("hangup"):
        result["h"] = record("h")
    result["s"] = b"".join(record("s", n.encode() + b"\0" + v) for n, v in options.get("secrets", []))
    return result


def wrap(body):
    return b"PDK1" + struct.pack("<I", len(body)) + body


def frame(args=("/bin/true",), input=b"", **options):
    options.setdefault("length", len(input))
    return wrap(b"".join(parts(args, **options).values()))


def python(code, *args):
    return [PYTHON, "-SEc", code, *args]


def wait_until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(0.003)


ASK = b"PDK?\0\0\0\0"


class Message:
    """A report or trailer, parsed as docs/sandbox-init.md says."""

    def __init__(self, encoded):
        data = base64.b64decode(encoded.replace(b"\n", b""), validate=True)
        self.values, self.sections, self.lines = {}, {}, []
        while data:
            line, data = data.split(b"\n", 1)
            if line.startswith(b"@"):
                name, length = line[1:].decode().split(" ")
                self.sections[name], data = data[:int(length)], data[int(length):]
                assert data.startswith(b"\n"), "a section ends with a newline"
                data = data[1:]
                self.lines.append("@" + name)
            else:
                self.lines.append(line.decode())
                key, value = self.lines[-1].split(" ", 1)
                if key.startswith(("cgroup", "sysctl")):
                    file, value = value.split(" ", 1)
                    key += " " + file
                assert key not in self.values, f"{key} twice"
                self.values[key] = value

    def __getitem__(self, key):
        return self.values[key]

    def number(self, key):
        return int(self.values[key])


class Stream(threading.Thread):
    """Reads a pipe into memory, while its gate is open."""

    def __init__(self, file):
        super().__init__(daemon=True)
        self.file, self.data, self.ended = file, bytearray(), False
        self.gate = threading.Event()
        self.gate.set()
        self.start()

    def run(self):
        while self.gate.wait():
            try:
                chunk = os.read(self.file, 65536)
            except OSError:
                chunk = b""
            if not chunk:
                break
            self.data += chunk
        self.ended = True


class Sandbox:
    """A sandbox with its init, and this side as its runner."""

    def __init__(self, uid=None, cgroup=None, prepare=":", read=True):
        self.folder = tempfile.mkdtemp(prefix="cgroup-", dir=build_folder.name)
        os.chmod(self.folder, 0o777)  # the sanitizers write there
        os.chmod(build_folder.name, 0o755)
        self.set_up_folder()
        for name, text in (cgroup or {}).items():
            self.set_counter(name, text)
        run_as = f"setpriv --reuid {uid} --regid {uid} --clear-groups" if uid else ""
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
             "sh", "-c", SETUP],
            env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "CGROUP": self.folder, "RUN_AS": run_as,
                 "INIT": build_folder.name + "/init", "PREPARE": prepare},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.stdin = self.process.stdin
        self.out, self.err = Stream(self.process.stdout.fileno()), Stream(self.process.stderr.fileno())
        self.rest = b""
        if read:
            self.report = self.read_report()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close_stdin()
        if self.process.poll() is None:
            try:
                os.kill(self.init_pid, signal.SIGKILL)  # and with it the namespace
            except (OSError, IndexError):
                pass
            self.process.kill()
        self.process.wait()
        for stream in (self.out, self.err):
            stream.gate.set()
            stream.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        complaints = [path.read_text(errors="replace") for path in Path(self.folder).glob("sanitizer*")]
        shutil.rmtree(self.folder)
        assert not complaints, "\n".join(complaints)

    def set_up_folder(self):
        """Puts more into what the sandbox sees as /sys/fs/cgroup."""

    def set_counter(self, name, text):
        path = Path(self.folder, name)
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    def read_report(self):
        wait_until(lambda: b".\n" in self.out.data or self.out.ended, "the report")
        data = bytes(self.out.data)
        end = data.find(b".\n")
        assert data.startswith(b"\x1ePADDOCK-READY:") and end > 0, (data[:80], bytes(self.err.data))
        self.report_bytes, self.report_end = data[:end + 2], end + 2
        return Message(data[len(b"\x1ePADDOCK-READY:"):end])

    def ask_again(self):
        """Asks for another report, and reads what has been asked for before too."""
        before = self.out.data.count(b".\n")
        self.send(ASK).join(PATIENCE)
        wait_until(lambda: self.out.data.count(b".\n") > before or self.out.ended, "another report")
        data = bytes(self.out.data)
        reports = data.split(b"\x1ePADDOCK-READY:")
        assert reports[-1].endswith(b".\n"), (data[-80:], bytes(self.err.data))
        self.again, self.report_end = Message(reports[-1][:-2]), len(data)
        return self.again

    @property
    def init_pid(self):
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def kill(self, number):
        os.kill(self.init_pid, number)

    def send(self, data):
        """Writes from a thread, as long as it takes."""
        def write():
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(self.stdin.fileno(), view):]
            except OSError:
                pass
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        return thread

    def launch(self, args, input=b"", send=None, **options):
        return self.send(frame(args, input, **options) + (input if send is None else send))

    def close_stdin(self):
        if not self.stdin.closed:
            self.stdin.close()

    def output(self):
        """What the agent has written so far on stdout."""
        return bytes(self.out.data[self.report_end:])

    def wait_for(self, text):
        wait_until(lambda: text in self.output() or self.out.ended, f"{text!r} in {self.output()[:200]!r}")
        assert text in self.output(), (text, self.output()[:300], bytes(self.err.data))

    def trailer(self):
        """Waits for the trailer and the mark; keeps the agent's own bytes."""
        tag = b"\x1e" + NONCE.encode() + b":"
        wait_until(lambda: (tag in self.out.data and self.out.data.endswith(b".\n")) or self.out.ended, "the trailer")
        data = self.output()
        assert tag in data and data.endswith(b".\n"), (data[-300:], bytes(self.err.data))
        self.stdout, encoded = data.split(tag)
        wait_until(lambda: MARK in self.err.data or self.err.ended, "the mark")
        assert self.err.data.endswith(MARK) and self.err.data.count(MARK) == 1, bytes(self.err.data[-300:])
        self.stderr = bytes(self.err.data[:-len(MARK)])
        self.trailer_bytes = tag + encoded
        return Message(encoded[:-2])

    def exit_code(self):
        return self.process.wait(PATIENCE)

    def acknowledge(self):
        self.send(b"A")
        return self.exit_code()


class Base(unittest.TestCase):
    def run_agent(self, args, input=b"", uid=None, cgroup=None, prepare=":", **options):
        """From report to exit, with nothing special on the way."""
        with Sandbox(uid, cgroup, prepare) as box:
            box.launch(args, input, **options)
            trailer = box.trailer()
            self.assertEqual(box.acknowledge(), 0)
            self.assertEqual(trailer.lines[0], "paddock-init 1")
            trailer.stdout, trailer.stderr, trailer.text = box.stdout, box.stderr, box.trailer_bytes
            return trailer

    def assertEnded(self, trailer, ended, stop="none"):
        self.assertEqual((trailer["ended"], trailer["stop"]), (ended, stop))


class Reports(Base):
    def test_report_without_cgroup(self):
        with Sandbox(uid=UID) as box:
            self.assertEqual(box.report.lines, [
                "paddock-init 1", *(f"sysctl {name} {' '.join(Path('/proc/sys', name).read_text().split())}" for name in
                                    ("kernel/shm_rmid_forced", "kernel/shmmni", "kernel/shmall", "kernel/msgmni",
                                     "kernel/sem", "fs/mqueue/queues_max")),
                f"oom_score_adj {Path('/proc/self/oom_score_adj').read_text().strip()}",
                "processes 1", "@status", "@limits", "@net", "@mounts"])
            self.assertIn(b"Max open files ", box.report.sections["limits"])
            status = box.report.sections["status"].decode()
            self.assertIn("\nPid:\t1\n", status)
            self.assertIn(f"\nUid:\t{UID}\t{UID}\t{UID}\t{UID}\n", status)
            self.assertIn(b"lo:", box.report.sections["net"])
            self.assertIn(b" /run/paddock ", box.report.sections["mounts"])
            self.assertTrue(set(box.report_bytes) <= set(range(0x20, 0x7F)) | {0x1E, 0x0A})
            self.assertTrue(all(len(line) <= 8000 + 40 for line in box.report_bytes.split(b"\n")))

    def test_report_of_cgroup_v1(self):
        with Sandbox(cgroup=FAKE_V1) as box:
            self.assertEqual({k: v for k, v in box.report.values.items() if k.startswith("cgroup")}, {
                "cgroup1 memory.limit_in_bytes": "67108864", "cgroup1 memory.memsw.limit_in_bytes": "67108864",
                "cgroup1 memory.swappiness": "0", "cgroup1 memory.kmem.tcp.limit_in_bytes": "16777216",
                "cgroup1 cpu.cfs_quota_us": "50000",
                "cgroup1 cpu.cfs_period_us": "100000", "cgroup1 pids.max": "32"})

    def test_report_of_cgroup_v2(self):
        with Sandbox(cgroup=FAKE_V2) as box:
            self.assertEqual({k: v for k, v in box.report.values.items() if k.startswith("cgroup")}, {
                "cgroup2 memory.max": "67108864", "cgroup2 memory.swap.max": "0",
                "cgroup2 cpu.max": "50000 100000", "cgroup2 pids.max": "max"})

    def test_counters_of_cgroup_v1_since_launch(self):
        with Sandbox(cgroup=FAKE_V1) as box:
            box.launch(["sh", "-c", "echo up; read x; exit 4"], send=b"", length=3)
            box.wait_for(b"up\n")
            box.set_counter("cpuacct/cpuacct.usage", "5123456000\n")
            box.set_counter("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 9\n")
            box.set_counter("memory/memory.max_usage_in_bytes", "5000000\n")
            box.set_counter("pids/pids.events", "max 14\n")
            box.send(b"go\n")
            trailer = box.trailer()
        self.assertEqual([trailer.number(k) for k in ("cpu_us", "memory_peak", "oom_kill", "pids_max")],
                         [123456, 5000000, 2, 11])

    def test_counters_of_cgroup_v2_since_launch(self):
        with Sandbox(cgroup=FAKE_V2) as box:
            box.launch(["sh", "-c", "echo up; read x"], send=b"", length=3)
            box.wait_for(b"up\n")
            box.set_counter("cpu.stat", "usage_usec 1000777\nuser_usec 1\nsystem_usec 2\n")
            box.set_counter("memory.events", "low 0\noom_group_kill 99\noom_kill 5\n")
            box.set_counter("pids.events", "max 6\n")
            box.send(b"go\n")
            trailer = box.trailer()
        self.assertEqual([trailer.number(k) for k in ("cpu_us", "memory_peak", "oom_kill", "pids_max")],
                         [777, 8192000, 4, 6])

    def test_counters_without_cgroup_are_of_the_reaped(self):
        trailer = self.run_agent(python("x = b'x' * 50_000_000\nfor i in range(2_000_000): pass"))
        self.assertGreater(trailer.number("cpu_us"), 10_000)
        self.assertLess(trailer.number("cpu_us"), 30_000_000)
        self.assertGreater(trailer.number("memory_peak"), 50_000_000)
        self.assertGreater(trailer.number("wall_us"), 10_000)
        self.assertNotIn("oom_kill", trailer.values)
        self.assertNotIn("pids_max", trailer.values)

    def test_free_space_of_tmp(self):
        trailer = self.run_agent(["sh", "-c", "head -c 1048576 /dev/zero >/tmp/x; : >/tmp/y"])
        self.assertEqual(trailer.number("tmp_free_bytes"), 63 << 20)
        self.assertLessEqual(trailer.number("tmp_free_inodes"), 998)

    def test_another_report_is_of_now(self):
        limit = "memory.max"
        with Sandbox(cgroup={limit: "1000\n"}) as box:
            self.assertEqual((box.report["cgroup2 memory.max"], box.report["processes"]), ("1000", "1"))
            box.set_counter(limit, "2000\n")
            intruder = subprocess.Popen(["nsenter", "-t", str(box.init_pid), "-p", "-m", "sleep", "600"])
            try:
                wait_until(lambda: box.ask_again()["processes"] == "2", "the intruder")
                self.assertEqual(box.again["cgroup2 memory.max"], "2000")
                box.launch(["echo", "ran"])
                self.assertEnded(box.trailer(), "exit 0")
                self.assertEqual(box.stdout, b"ran\n")
            finally:
                intruder.kill()
                intruder.wait()

    def test_asked_in_pieces_and_again(self):
        with Sandbox() as box:
            for byte in ASK:
                box.send(bytes([byte])).join(PATIENCE)
            wait_until(lambda: box.out.data.count(b".\n") == 2 or box.out.ended, "the second report")
            box.ask_again()
            box.launch(["true"])
            self.assertEnded(box.trailer(), "exit 0")

    def test_report_waits_for_a_slow_reader(self):
        with Sandbox(prepare="i=0; while [ $i -lt 300 ]; do mkdir /run/$i; mount --bind /run/init /run/$i;"
                             " i=$((i+1)); done", read=False) as box:
            box.out.gate.clear()
            box.send(frame(["sh", "-c", "echo ran; cat"], b"in") + b"inA")
            wait_until(lambda: pending(box.stdin), "the frame to be there before the report is written")
            box.out.gate.set()
            report = box.read_report()
            self.assertGreater(len(report.sections["mounts"]), 10_000)
            self.assertLessEqual(len(report.sections["mounts"]), 40 << 10)
            self.assertEqual(box.trailer()["ended"], "exit 0")
            self.assertEqual(box.stdout, b"ran\nin")


class HappyPath(Base):
    def test_everything_reaches_the_agent(self):
        code = ("import os, sys; print(sys.argv[1:], os.getcwd(), dict(os.environ), sys.stdin.read());"
                "sys.stderr.write('on stderr')")
        with Sandbox() as box:
            box.launch(python(code, "one", "", "a b"), b"the input", cwd="/tmp",
                       env={"LC_ALL": "C.UTF-8", "EMPTY": "", "X": "a=b"})
            trailer = box.trailer()
            self.assertEqual(box.stdout.decode(), "['one', '', 'a b'] /tmp "
                             "{'LC_ALL': 'C.UTF-8', 'EMPTY': '', 'X': 'a=b'} the input\n")
            self.assertEqual(box.stderr, b"on stderr")
            self.assertEnded(trailer, "exit 0")
            self.assertEqual(trailer["output"], "absent")
            self.assertEqual(trailer["killed"], "0")
            self.assertEqual(box.acknowledge(), 0)

    def test_the_agent_starts_clean(self):
        code = ("import os\nfor l in open('/proc/self/status'):\n"
                "  if l.startswith(('SigBlk', 'SigIgn', 'ShdPnd')): print(l.split()[1].strip('0') or 'none')\n"
                "print(os.getsid(0) == os.getpid() == os.getpgid(0), sorted(os.listdir('/proc/self/fd')))")
        with Sandbox(prepare="exec 7</dev/null 9</dev/null; trap '' USR1 PIPE RTMIN") as box:
            box.launch(python(code))
            box.trailer()
            # Python itself ignores SIGPIPE (0x1000) and SIGXFSZ (0x1000000); descriptor 3 is its listdir.
            self.assertEqual(box.stdout.decode().split("\n")[:4],
                             ["none", "none", "1001", "True ['0', '1', '2', '3']"])

    def test_the_agent_never_sees_the_nonce(self):
        trailer = self.run_agent(["sh", "-c", "env; cat /proc/self/environ /proc/self/cmdline | tr '\\0' '\\n'"])
        self.assertNotIn(NONCE.encode(), trailer.stdout)

    def test_program_is_found_on_the_default_path(self):
        trailer = self.run_agent(["true"], env={})
        self.assertEnded(trailer, "exit 0")

    def test_path_is_searched_in_order_and_past_what_may_not_be_run(self):
        prepare = ("mkdir /run/a /run/b /run/c; echo x >/run/a/prog; printf '#!/bin/sh\\necho b' >/run/b/prog;"
                   "printf '#!/bin/sh\\necho c' >/run/c/prog; chmod 755 /run/b/prog /run/c/prog")
        trailer = self.run_agent(["prog"], env={"PATH": "/nowhere:/run/a:/run/b:/run/c"}, prepare=prepare)
        self.assertEqual(trailer.stdout, b"b\n")

    def test_many_arguments_and_variables(self):
        env = {f"V{i}": "x" * 20 for i in range(1023)}
        env["PATH"] = "/usr/bin:/bin"
        trailer = self.run_agent(["sh", "-c", "env | grep -c ^V; echo $#", "sh"] + ["a"] * 1020, env=env)
        self.assertEqual(trailer.stdout, b"1023\n1020\n")

    def test_frame_of_full_size(self):
        room = (1 << 20) - len(frame()) + 8 - 5 - len(b"S\0")
        trailer = self.run_agent(["sh", "-c", "wc -c </run/paddock/secrets/S"], cwd="/",
                                 secrets=[("S", b"x" * (room - 200))])
        self.assertEqual(trailer.stdout.strip(), str(room - 200).encode())

    def test_frame_byte_by_byte(self):
        whole = frame(["sh", "-c", "cat"], b"in") + b"in"
        with Sandbox() as box:
            for byte in whole:
                os.write(box.stdin.fileno(), bytes([byte]))
                wait_until(lambda: pending(box.stdin) == 0, "the byte to be read")
            self.assertEnded(box.trailer(), "exit 0")
            self.assertEqual(box.stdout, b"in")

    def test_frame_split_at_every_boundary(self):
        whole = frame(["/bin/cat"], b"in", env={}) + b"inA"
        for first in range(0, len(whole), 16):
            boxes = [(n, Sandbox(read=False)) for n in range(first, min(first + 16, len(whole)))]
            try:
                for split, box in boxes:
                    with self.subTest(split=split):
                        box.read_report()
                        os.write(box.stdin.fileno(), whole[:split])
                        wait_until(lambda: pending(box.stdin) == 0, "the first part to be read")
                        os.write(box.stdin.fileno(), whole[split:])
                for split, box in boxes:
                    with self.subTest(split=split):
                        self.assertEnded(box.trailer(), "exit 0")
                        self.assertEqual(box.stdout, b"in")
                        self.assertEqual(box.exit_code(), 0)
            finally:
                for _, box in boxes:
                    box.__exit__()


def pending(pipe):
    """How many bytes in a pipe nobody has read yet."""
    return struct.unpack("i", fcntl.ioctl(pipe.fileno(), termios.FIONREAD, b"\0" * 4))[0]


class Endings(Base):
    def test_exit_codes(self):
        for code in (0, 1, 3, 127, 255):
            with self.subTest(code=code):
                self.assertEnded(self.run_agent(["sh", "-c", f"exit {code}"]), f"exit {code}")

    def test_signals(self):
        for name in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE):
            with self.subTest(signal=name):
                self.assertEnded(self.run_agent(["sh", "-c", f"kill -{int(name)} $$"]), f"signal {int(name)}")

    def test_start_errors(self):
        for error, options in {
            "exec 2": {"args": ["no-such-program"]},
            "exec 13": {"args": ["/etc/passwd"]},
            "exec 20": {"args": ["/etc/passwd/x"]},
            "chdir 2": {"cwd": "/nowhere"},
            "chdir 20": {"cwd": "/etc/passwd"},
            "secret 17": {"secrets": [("A", b"1"), ("A", b"2")]},
            "secret 28": {"secrets": [("A", b"x" * 500_000)],
                          "prepare": "mount -t tmpfs -o size=64k tmpfs /run/paddock"},
            "secret 30": {"secrets": [("A", b"1")], "prepare": "mount -o remount,ro /run/paddock"},
        }.items():
            with self.subTest(error=error):
                options = {"args": ["sh", "-c", "echo ran"], **options}
                trailer = self.run_agent(input=b"some input", **options)
                self.assertEnded(trailer, "start_error " + error)
                self.assertEqual(trailer.stdout, b"")
                self.assertEqual(trailer["output"], "absent")

    def test_wall_time(self):
        trailer = self.run_agent(["sleep", "0.2"])
        self.assertGreaterEqual(trailer.number("wall_us"), 200_000)
        self.assertLess(trailer.number("wall_us"), 10_000_000)

    def test_term_is_forwarded(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.01; done"])
            box.wait_for(b"up\n")
            box.kill(signal.SIGTERM)
            self.assertEnded(box.trailer(), "exit 5", "term")
            self.assertIn(b"got\n", box.stdout)

    def test_term_reaches_the_whole_group(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "sh -c 'trap \"echo child; exit\" TERM; echo up; while :; do sleep 0.01; done' &"
                        " trap 'wait; exit 6' TERM; wait; wait; exit 6"])
            box.wait_for(b"up\n")
            box.kill(signal.SIGTERM)
            self.assertEnded(box.trailer(), "exit 6", "term")
            self.assertIn(b"child\n", box.stdout)

    def test_other_signals_are_forwarded_and_no_stop(self):
        for name in ("HUP", "INT", "USR1", "USR2"):
            with self.subTest(signal=name), Sandbox() as box:
                box.launch(["sh", "-c", f"trap 'exit 7' {name}; echo up; while :; do sleep 0.01; done"])
                box.wait_for(b"up\n")
                box.kill(getattr(signal, "SIG" + name))
                self.assertEnded(box.trailer(), "exit 7")

    def test_unhandled_signals_do_nothing(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "echo up; read x; exit 8"], send=b"", length=3)
            box.wait_for(b"up\n")
            for name in (signal.SIGALRM, signal.SIGPIPE, signal.SIGCHLD, signal.SIGCONT, signal.SIGRTMIN):
                box.kill(name)
            box.send(b"go\n")
            self.assertEnded(box.trailer(), "exit 8")

    def test_quit_kills(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "sleep 1000 & sleep 1000 & echo up; wait"])
            box.wait_for(b"up\n")
            box.kill(signal.SIGQUIT)
            trailer = box.trailer()
            self.assertEnded(trailer, "signal 9", "kill")
            self.assertEqual(trailer["killed"], "2")

    def test_term_ignored_then_quit(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "trap 'echo no' TERM; echo up; while :; do sleep 0.01; done"])
            box.wait_for(b"up\n")
            box.kill(signal.SIGTERM)
            box.wait_for(b"no\n")
            box.kill(signal.SIGQUIT)
            self.assertEnded(box.trailer(), "signal 9", "term")

    def test_deadline(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "trap '' TERM HUP INT; echo up; while :; do sleep 0.01; done"], deadline=300)
            trailer = box.trailer()
            self.assertEnded(trailer, "signal 9", "deadline")
            self.assertGreaterEqual(trailer.number("wall_us"), 300_000)
            self.assertEqual(box.stdout, b"up\n")

    def test_deadline_of_nothing_and_of_forever(self):
        self.assertEnded(self.run_agent(["sleep", "1000"], deadline=0), "signal 9", "deadline")
        self.assertEnded(self.run_agent(["true"], deadline=2**64 - 1, cpu=2**64 - 1, cgroup=FAKE_V1), "exit 0")

    def test_cpu_limit(self):
        for version, name, text in ((FAKE_V1, "cpuacct/cpuacct.usage", "5{:03}000000\n"),
                                    (FAKE_V2, "cpu.stat", "usage_usec 1{:03}000\n")):
            with self.subTest(name=name), Sandbox(cgroup=version) as box:
                box.launch(["sh", "-c", "echo up; exec sleep 1000"], cpu=100)
                box.wait_for(b"up\n")
                box.set_counter(name, text.format(99))
                time.sleep(0.05)
                self.assertNotIn(b"\x1e", box.output())
                box.set_counter(name, text.format(101))
                trailer = box.trailer()
                self.assertEnded(trailer, "signal 9", "cpu")
                self.assertEqual(trailer.number("cpu_us"), 101_000)

    def test_hangup_with_h(self):
        for input in (b"", b"some"):
            with self.subTest(input=input), Sandbox() as box:
                box.launch(["sh", "-c", "cat; echo up; exec sleep 1000"], input, hangup=True)
                box.wait_for(b"up\n")
                box.close_stdin()
                self.assertEnded(box.trailer(), "signal 9", "hangup")
                self.assertEqual(box.exit_code(), 0)

    def test_hangup_while_the_agent_does_not_read(self):
        input = b"x" * 190_000  # more than the agent's pipe and the init's buffer, less than with stdin's pipe as well
        for sent, stop in ((190_000, "hangup"), (180_000, "input")):
            with self.subTest(stop=stop), Sandbox() as box:
                box.launch(["sh", "-c", "echo up; exec sleep 1000"], input, send=input[:sent], hangup=True).join(PATIENCE)
                box.wait_for(b"up\n")
                box.close_stdin()
                self.assertEnded(box.trailer(), "signal 9", stop)

    def test_hangup_behind_an_unread_acknowledgement_is_none(self):
        with Sandbox() as box:
            input = b"x" * 190_000
            box.launch(["sh", "-c", "echo up; sleep 0.2; exit 9"], input, send=input + b"A", hangup=True).join(PATIENCE)
            box.wait_for(b"up\n")
            box.close_stdin()
            self.assertEnded(box.trailer(), "exit 9")
            self.assertEqual(box.exit_code(), 0)

    def test_hangup_after_an_early_acknowledgement_is_none(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "cat; echo up; sleep 0.1; exit 9"], b"in", send=b"inA", hangup=True)
            box.wait_for(b"up\n")
            box.close_stdin()
            self.assertEnded(box.trailer(), "exit 9")

    def test_end_of_stdin_without_h_is_remembered(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "cat; echo up; sleep 0.1; exit 9"], b"in").join()
            box.close_stdin()
            self.assertEnded(box.trailer(), "exit 9")
            self.assertEqual(box.exit_code(), 0)

    def test_only_the_first_cause_counts(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done"], deadline=700)
            box.wait_for(b"up\n")
            box.kill(signal.SIGTERM)
            self.assertEnded(box.trailer(), "signal 9", "term")

    def test_a_failure_of_the_init_ends_the_agent(self):
        code = "import resource, time; resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0)); print('set', flush=True); time.sleep(1000)"
        with Sandbox(uid=UID) as box:
            box.launch(python(code))
            box.wait_for(b"set\n")
            box.kill(signal.SIGALRM)  # is not forwarded, but ends the poll that was under way
            trailer = box.trailer()
            self.assertEnded(trailer, "signal 9", "error")
            self.assertEqual(trailer["output"], "error 24")
            self.assertEqual(box.exit_code(), 0)


class BeforeLaunch(Base):
    def quits(self, code, data=b"", signal_number=None):
        with Sandbox() as box:
            if data:
                box.send(data).join(PATIENCE)
            if signal_number:
                box.kill(signal_number)
            else:
                box.close_stdin()
            self.assertEqual(box.exit_code(), code)
            box.out.join(PATIENCE)
            self.assertEqual(box.output(), b"")

    def test_end_of_file(self):
        self.quits(72)

    def test_signals(self):
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            with self.subTest(signal=name):
                self.quits(72, signal_number=name)
                self.quits(72, frame()[:-1], signal_number=name)

    def test_a_frame_that_breaks_off(self):
        whole = frame(["sh", "-c", "echo ran"])
        for length in (1, 7, 8, 9, len(whole) - 1):
            with self.subTest(length=length):
                self.quits(70, whole[:length])

    def test_not_pid_1(self):
        result = subprocess.run([build_folder.name + "/init"], stdin=subprocess.DEVNULL, capture_output=True,
                                env={"ASAN_OPTIONS": "detect_leaks=0"}, timeout=PATIENCE)
        self.assertEqual((result.returncode, result.stdout), (71, b""))
        self.assertIn(b"PID 1", result.stderr)

    def test_a_standard_stream_is_missing(self):
        for stream in (0, 1, 2):
            with self.subTest(stream=stream), Sandbox(read=False, prepare=f"exec {stream}>&-") as box:
                self.assertEqual(box.exit_code(), 71)

    def test_poll_fails(self):
        with Sandbox() as box:
            resource.prlimit(box.init_pid, resource.RLIMIT_NOFILE, (0, 0))
            box.kill(signal.SIGUSR1)
            self.assertEqual(box.exit_code(), 71)

    def test_bad_frames(self):
        good = ["sh", "-c", "echo ran; echo ran >/run/paddock/output.json"]
        many = 1025

        def without(*keys):
            return wrap(b"".join(v for k, v in parts(good).items() if k not in keys))

        def plus(extra, *dropped):
            return wrap(b"".join(v for k, v in parts(good).items() if k not in dropped) + extra)

        cases = {
            "no magic": b"PDK2" + frame(good)[4:],
            "lower-case magic": b"pdk1" + frame(good)[4:],
            "body too long": b"PDK1" + struct.pack("<I", (1 << 20) + 1) + b"\0" * 100,
            "body of 4 GiB": b"PDK1\xff\xff\xff\xff",
            "empty body": wrap(b""),
            "a byte too many": wrap(frame(good)[8:] + b"n"),
            "four bytes too many": wrap(frame(good)[8:] + b"h\0\0\0"),
            "a byte too few": wrap(frame(good)[8:-1]),
            "record longer than the body": plus(b"e\xff\xff\xff\xffA=\0"),
            "record one longer than the body": plus(b"e\x04\0\0\0A=\0"),
            "unknown type": plus(record("x", b"1\0")),
            "type NUL": plus(record("\0")),
            "no nonce": without("n"), "no argument": without("a"), "no directory": without("w"),
            "no output": without("o"), "no input": without("i"), "no deadline": without("d"),
            "two nonces": plus(parts()["n"]), "two directories": plus(parts()["w"]),
            "two outputs": plus(number("o", 1)), "two inputs": plus(number("i", 0)),
            "two deadlines": plus(number("d", 1)), "two cpu": plus(number("c", 1) * 2),
            "two ports": plus(number("p", 1) * 2), "port 0": plus(number("p", 0)),
            "port 65536": plus(number("p", 65536)), "port of 2^63": plus(number("p", 1 << 63)),
            "u16 port": plus(record("p", b"\1\0")), "port of no byte": plus(record("p")),
            "two hangups": plus(record("h") * 2), "hangup with a value": plus(record("h", b"\0")),
            "nonce too short": plus(string("n", NONCE[1:]), "n"), "nonce too long": plus(string("n", NONCE + "0"), "n"),
            "nonce in capitals": plus(string("n", NONCE.upper()), "n"),
            "nonce without NUL": plus(record("n", NONCE.encode() + b"0"), "n"),
            "nonce with NUL inside": plus(record("n", NONCE[:31].encode() + b"\0\0"), "n"),
            "nonce not hexadecimal": plus(string("n", "g" + NONCE[1:]), "n"),
            "argument without NUL": plus(record("a", b"x")), "argument of no byte": plus(record("a")),
            "argument with NUL inside": plus(record("a", b"x\0y\0")), "argument with two NUL": plus(record("a", b"x\0\0")),
            "too many arguments": plus(string("a", "x") * (many - 3)),
            "too many variables": plus(string("e", "A=") * many),
            "variable without =": plus(string("e", "PATH")), "variable without name": plus(string("e", "=x")),
            "empty variable": plus(string("e", "")), "variable without NUL": plus(record("e", b"A=b")),
            "variable with NUL inside": plus(record("e", b"A=\0b\0")), "variable with = after NUL": plus(record("e", b"A\0=")),
            "relative directory": plus(string("w", "tmp"), "w"), "empty directory": plus(string("w", ""), "w"),
            "directory without NUL": plus(record("w", b"/tmp"), "w"),
            "short number": plus(record("i", b"\0" * 7), "i"), "long number": plus(record("i", b"\0" * 9), "i"),
            "empty number": plus(record("d"), "d"), "u32 number": plus(record("c", b"\0" * 4)),
            "output above 64 MiB": plus(number("o", (64 << 20) + 1), "o"), "output of 2^64": plus(number("o", 2**64 - 1), "o"),
            "secret without NUL": plus(record("s", b"NAME")), "secret of no byte": plus(record("s")),
            "secret without name": plus(record("s", b"\0value")), "secret .": plus(record("s", b".\0x")),
            "secret ..": plus(record("s", b"..\0x")), "secret with slash": plus(record("s", b"../x\0x")),
            "secret with space": plus(record("s", b"a b\0x")), "secret with a name in UTF-8": plus(record("s", "ä\0x".encode())),
            "secret with a name of 65": plus(record("s", b"x" * 65 + b"\0x")),
            "too many secrets": plus(b"".join(record("s", b"%d\0x" % i) for i in range(65))),
        }
        names = list(cases)
        for first in range(0, len(names), 8):
            boxes = [(name, Sandbox(read=False)) for name in names[first:first + 8]]
            try:
                for name, box in boxes:
                    with self.subTest(name):
                        box.read_report()
                        box.send(cases[name])
                for name, box in boxes:
                    with self.subTest(name):
                        self.assertEqual(box.exit_code(), 70)
                        box.out.join(PATIENCE)
                        self.assertEqual(box.output(), b"")
            finally:
                for _, box in boxes:
                    box.__exit__()

    def test_the_limits_of_good_frames(self):
        names = [("A" * 64, b""), ("_.-", b"\0\xff"), ("...", b"x"), (".a", b"x")] + [(str(i), b"") for i in range(60)]
        trailer = self.run_agent(["sh", "-c", "ls -A /run/paddock/secrets | wc -l"], secrets=names, output=64 << 20)
        self.assertEqual(trailer.stdout.strip(), b"64")


class Inputs(Base):
    def test_big_input_through_a_slow_reader(self):
        data = os.urandom(8 << 20)
        code = ("import os, time, hashlib\nh = hashlib.sha256(); n = 0\n"
                "while True:\n  b = os.read(0, 65536 if n % 7 else 1000)\n  if not b: break\n"
                "  h.update(b); n += 1\n  if n % 40 == 0: time.sleep(0.005)\nprint(h.hexdigest())")
        trailer = self.run_agent(python(code), data)
        self.assertEqual(trailer.stdout.decode().strip(), hashlib.sha256(data).hexdigest())

    def test_the_input_ends_only_when_it_is_complete(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "head -c 2; echo; cat; echo end"], send=b"ab", length=4)
            box.wait_for(b"ab\n")
            box.send(b"cd")
            box.wait_for(b"end\n")
            self.assertEnded(box.trailer(), "exit 0")
            self.assertEqual(box.stdout, b"ab\ncdend\n")

    def test_short_input(self):
        for sent in (b"", b"ab", b"x" * 99_999):
            with self.subTest(sent=len(sent)), Sandbox() as box:
                box.launch(["sh", "-c", "echo up; cat >/dev/null; echo end"], send=sent, length=100_000).join(PATIENCE)
                box.wait_for(b"up\n")
                box.close_stdin()
                self.assertEnded(box.trailer(), "signal 9", "input")
                self.assertEqual(box.stdout, b"up\n")
                self.assertEqual(box.exit_code(), 0)

    def test_an_agent_that_closes_its_stdin(self):
        with Sandbox() as box:
            sender = box.launch(["sh", "-c", "head -c 1 >/dev/null; exec <&-; echo closed; sleep 0.2; exit 3"], b"x" * (4 << 20))
            box.wait_for(b"closed\n")
            sender.join(PATIENCE)
            self.assertFalse(sender.is_alive(), "the rest of the input is read and dropped")
            self.assertEnded(box.trailer(), "exit 3")
            self.assertEqual(box.acknowledge(), 0)

    def test_input_that_is_still_coming_when_the_agent_has_ended(self):
        with Sandbox() as box:
            box.out.gate.clear()  # a runner that writes everything before it reads anything
            input = b"x" * (4 << 20)
            sender = box.launch(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' y >/run/paddock/output.json; exit 2"],
                                input, send=input + b"A")
            sender.join(PATIENCE)
            self.assertFalse(sender.is_alive())
            box.out.gate.set()
            trailer = box.trailer()
            self.assertEnded(trailer, "exit 2")
            self.assertEqual(trailer.sections["output"], b"y" * 1_000_000)
            self.assertEqual(box.exit_code(), 0)

    def test_early_acknowledgement(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "cat"], b"in", send=b"inA and more that nobody reads")
            self.assertEnded(box.trailer(), "exit 0")
            self.assertEqual(box.stdout, b"in")
            self.assertEqual(box.exit_code(), 0)

    def test_the_init_waits_for_the_acknowledgement(self):
        with Sandbox() as box:
            box.launch(["true"])
            box.trailer()
            with self.assertRaises(subprocess.TimeoutExpired):
                box.process.wait(0.3)
            self.assertEqual(box.acknowledge(), 0)

    def test_end_of_file_is_an_acknowledgement(self):
        with Sandbox() as box:
            box.launch(["true"])
            box.trailer()
            box.close_stdin()
            self.assertEqual(box.exit_code(), 0)


class Outputs(Base):
    def output(self, code, **options):
        return self.run_agent(python("import os, socket\nP = '/run/paddock/output.json'\n" + code), uid=UID, **options)

    def test_binary(self):
        data = bytes(range(256)) * 100 + b"@output 5\nx\n.\n"
        for end in (0, 1, 2):
            trailer = self.output(f"open(P, 'wb').write((bytes(range(256)) * 100 + b'@output 5\\nx\\n.\\n')[:{len(data) - end}])")
            self.assertEqual(trailer["output"], "ok")
            self.assertEqual(trailer.sections["output"], data[:len(data) - end])
            self.assertEqual(trailer.lines[-1], "@output")
            self.assertTrue(all(len(line) <= 8000 + 40 for line in trailer.text.split(b"\n")))

    def test_empty(self):
        trailer = self.output("open(P, 'w')")
        self.assertEqual((trailer["output"], trailer.sections["output"]), ("ok", b""))

    def test_the_cap(self):
        for size, cap, result in ((1000, 1000, "ok"), (1001, 1000, "too_large"), (1, 0, "too_large"), (0, 0, "ok")):
            with self.subTest(size=size, cap=cap):
                trailer = self.output(f"open(P, 'w').write('x' * {size})", output=cap)
                self.assertEqual(trailer["output"], result)
                self.assertEqual(trailer.sections.get("output"), b"x" * size if result == "ok" else None)

    def test_big(self):
        trailer = self.output("open(P, 'wb').write(bytes(range(250)) * 80000)", output=64 << 20)
        self.assertEqual(trailer.sections["output"], bytes(range(250)) * 80000)

    def test_not_regular(self):
        for name, code in {
            "symlink": "os.symlink('/etc/passwd', P)",
            "dangling symlink": "os.symlink('/nowhere', P)",
            "symlink to a file beside it": "open(P + 'x', 'w').write('{}'); os.symlink(P + 'x', P)",
            "fifo": "os.mkfifo(P)",
            "directory": "os.mkdir(P)",
            "socket": "socket.socket(socket.AF_UNIX).bind(P)",
        }.items():
            with self.subTest(name):
                trailer = self.output(code)
                self.assertEqual(trailer["output"], "not_regular")
                self.assertNotIn("output", trailer.sections)

    def test_sparse(self):
        self.assertEqual(self.output("open(P, 'w').truncate(1 << 40)")["output"], "too_large")
        trailer = self.output("open(P, 'w').truncate(100000)")
        self.assertEqual(trailer.sections["output"], b"\0" * 100_000)

    def test_unreadable(self):
        self.assertEqual(self.output("open(P, 'w').write('x'); os.chmod(P, 0)")["output"], "error 13")

    def test_hard_link_and_rename(self):
        trailer = self.output("open(P + 'x', 'w').write('{}'); os.link(P + 'x', P)")
        self.assertEqual(trailer.sections["output"], b"{}")

    def test_the_folder_is_a_symlink(self):
        trailer = self.run_agent(["true"], prepare="umount /run/paddock; rmdir /run/paddock; ln -s /tmp /run/paddock;"
                                 "echo x >/tmp/output.json")
        self.assertEqual(trailer["output"], "error 20")

    def test_a_writer_that_outlives_the_agent_is_dead_before(self):
        trailer = self.output("if os.fork() == 0:\n  f = open(P, 'w')\n  os.write(2, b'go')\n"
                              "  while True: f.seek(0); f.truncate(0); f.write('x' * 100000); f.flush()\n"
                              "while not os.path.exists(P): pass")
        self.assertEqual(trailer["output"], "ok")
        self.assertLessEqual(set(trailer.sections["output"]), {ord("x")})
        self.assertEqual(trailer["killed"], "1")


class Leftovers(Base):
    def test_background_child_that_holds_stdout(self):
        trailer = self.run_agent(["sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000 & echo done"])
        self.assertEnded(trailer, "exit 0")
        self.assertEqual((trailer.stdout, trailer["killed"]), (b"done\n", "3"))

    def test_sixteen_levels_of_double_fork(self):
        code = ("import os, signal, time\nr, w = os.pipe()\nfor i in range(16):\n  if os.fork(): \n    if i == 0: break\n"
                "    os._exit(0)\n  os.setsid()\n  if os.fork(): \n    os._exit(0)\n  signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "else:\n  os.write(w, b'x')\n  time.sleep(1000)\nos.read(r, 1)")
        trailer = self.run_agent(python(code))
        self.assertEnded(trailer, "exit 0")
        self.assertEqual(trailer["killed"], "1")

    def test_stopped_processes(self):
        trailer = self.run_agent(["sh", "-c", "for i in 1 2 3; do sh -c 'kill -STOP $$' & done; sleep 0.1; exit 4"])
        self.assertEnded(trailer, "exit 4")
        self.assertEqual(trailer["killed"], "3")

    def test_an_agent_that_stops_itself(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "sh -c 'kill -STOP $$' & echo up; kill -STOP $$; echo never"])
            box.wait_for(b"up\n")
            box.kill(signal.SIGQUIT)
            self.assertEnded(box.trailer(), "signal 9", "kill")

    def test_orphans_are_reaped(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "for i in $(seq 200); do (true &); done; echo up; read x; exit 1"], send=b"", length=3)
            box.wait_for(b"up\n")

            def zombies():
                children = Path(f"/proc/{box.init_pid}/task/{box.init_pid}/children").read_text().split()
                return len(children) == 1
            wait_until(zombies, "the orphans to be reaped")
            box.send(b"go\n")
            trailer = box.trailer()
            self.assertEnded(trailer, "exit 1")
            self.assertEqual(trailer["killed"], "0")

    def test_fork_bomb(self):
        code = ("import os\nfor i in range(6):\n  os.fork()\nopen('/tmp/%d' % os.getpid(), 'w')\n"
                "while True:\n  if os.fork(): os._exit(0)\n")
        with Sandbox() as box:
            box.launch(["sh", "-c", f"setsid {PYTHON} -SEc \"$1\" & while [ $(ls /tmp | wc -l) -lt 64 ]; do :; done", "sh", code])
            trailer = box.trailer()
            self.assertEnded(trailer, "exit 0")
            self.assertGreaterEqual(trailer.number("killed"), 1)
            self.assertEqual(box.acknowledge(), 0)

    def test_the_mark_is_the_last_byte_on_stderr(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "(while :; do echo noise >&2; done) & (while :; do echo noise; done) & sleep 0.1"])
            self.assertEnded(box.trailer(), "exit 0")
            self.assertEqual(box.acknowledge(), 0)
            box.err.join(PATIENCE)
            self.assertTrue(box.err.data.endswith(MARK))
            self.assertGreater(len(box.err.data), 1000)

    def slow_streams(self, first):
        """Reads one stream to its end before the other; both are full when the agent ends."""
        code = ("import os, fcntl\nfor f in (1, 2):\n  fcntl.fcntl(f, fcntl.F_SETFL, os.O_NONBLOCK | fcntl.fcntl(f, fcntl.F_GETFL))\n"
                "  try:\n    while True: os.write(f, b'x' * 1000)\n  except BlockingIOError: pass\n"
                "open('/run/paddock/output.json', 'w').write('y' * 500000)\n")
        with Sandbox() as box:
            box.out.gate.clear()
            box.err.gate.clear()
            box.send(b"")
            box.launch(python(code))
            ready = {"out": lambda: b".\n" in box.output()[-4:], "err": lambda: box.err.data.endswith(MARK)}
            streams = {"out": box.out, "err": box.err}
            streams[first].gate.set()
            wait_until(ready[first], f"all of {first} while the other is not read")
            streams["err" if first == "out" else "out"].gate.set()
            trailer = box.trailer()
            self.assertEnded(trailer, "exit 0")
            self.assertEqual(trailer.sections["output"], b"y" * 500_000)
            self.assertEqual(set(box.stdout), {ord("x")})
            self.assertEqual(box.acknowledge(), 0)

    def test_nonblocking_streams_stdout_read_first(self):
        self.slow_streams("out")

    def test_nonblocking_streams_stderr_read_first(self):
        self.slow_streams("err")

    def test_nobody_reads_stdout_any_more(self):
        with Sandbox() as box:
            box.launch(["sh", "-c", "echo up; read x; exit 5"], send=b"", length=3)
            box.wait_for(b"up\n")
            # The reader is in read(): replace what it reads by something that has ended, and so close the pipe.
            null = os.open("/dev/null", os.O_RDONLY)
            box.out.gate.clear()
            os.dup2(null, box.out.file)
            os.close(null)
            box.send(b"go\nA")
            wait_until(lambda: box.err.data.endswith(MARK), "the mark")
            box.out.gate.set()
            self.assertEqual(box.exit_code(), 0)


class Secrets(Base):
    def test_mode_and_content(self):
        code = ("import os, stat\nd = '/run/paddock/secrets'\nprint(oct(os.stat(d).st_mode), os.stat(d).st_uid)\n"
                "for n in sorted(os.listdir(d)): s = os.stat(d + '/' + n); "
                "print(n, oct(s.st_mode), s.st_uid, open(d + '/' + n, 'rb').read())")
        trailer = self.run_agent(python(code), uid=UID,
                                 secrets=[("TOKEN", b"a\0b\xff\n"), ("empty", b""), ("a.b-c_D9", b"x" * 10)])
        self.assertEqual(trailer.stdout.decode().split("\n"), [
            f"0o40700 {UID}",
            f"TOKEN 0o100400 {UID} {b'a' + bytes([0]) + b'b' + bytes([255, 10])!r}",
            f"a.b-c_D9 0o100400 {UID} {b'x' * 10!r}",
            f"empty 0o100400 {UID} b''", ""])

    def test_no_folder_without_secrets(self):
        trailer = self.run_agent(["ls", "-A", "/run/paddock"])
        self.assertEqual(trailer.stdout, b"")


ATTACKS = r"""
import ctypes, fcntl, os, signal, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def refused(what):
    try: what(); return False
    except PermissionError: return True
def call(*args):
    if libc.syscall(*args) < 0: raise OSError(ctypes.get_errno(), "refused")
def queue(pid, number, code, sender):
    info = ctypes.create_string_buffer(struct.pack("iiiiii", number, 0, code, 0, sender, 0), 128)
    call(QUEUEINFO, pid, number, info)
def vm_read():
    buffer = ctypes.create_string_buffer(8)
    iov = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_size_t * 2)(0x400000, 8)
    ctypes.set_errno(0)
    if libc.process_vm_readv(1, iov, 1, remote, 1, 0) < 0: raise OSError(ctypes.get_errno(), "refused")
QUEUEINFO = 129 if os.uname().machine == "x86_64" else 138
"""


@unittest.skipUnless(os.uname().machine in ("x86_64", "aarch64"), "needs the numbers of system calls")
class Attacks(Base):
    def attack(self, code):
        trailer = self.run_agent(python(ATTACKS + code), uid=UID)
        self.assertEnded(trailer, "exit 0")
        return trailer.stdout.decode()

    def test_nothing_of_the_init_can_be_read(self):
        for name, code in {
            "mem": "open('/proc/1/mem', 'rb')", "environ": "open('/proc/1/environ').read()",
            "maps": "open('/proc/1/maps').read()", "fd": "os.listdir('/proc/1/fd')",
            "stdin": "open('/proc/1/fd/0')", "exe": "os.readlink('/proc/1/exe')", "cwd": "os.readlink('/proc/1/cwd')",
            "ptrace": "libc.ptrace(16, 1, 0, 0) < 0 and (_ for _ in ()).throw(OSError(ctypes.get_errno(), ''))",
            "process_vm_readv": "vm_read()",
            "pidfd_getfd": "call(438, os.pidfd_open(1), 0, 0)",
        }.items():
            with self.subTest(name):
                body = f"def f(): {code}\nprint(refused(f))"
                self.assertEqual(self.attack(body), "True\n")

    def test_signals_from_inside_have_no_effect(self):
        self.assertEqual(self.attack(
            "for n in list(range(1, 32)) + [40, 64]: os.kill(1, n)\n"
            "time.sleep(0.1); print('alive', os.getppid())"), "alive 1\n")

    def test_signals_with_a_forged_sender_have_no_effect(self):
        self.assertEqual(self.attack(
            "for n in (3, 15, 17):\n  for code in (-1, -2, -3, -4, -5): queue(1, n, code, 0)\n"
            "time.sleep(0.1); print('alive')"), "alive\n")

    def test_signals_of_a_descriptor_have_no_effect(self):
        self.assertEqual(self.attack(
            "for n in (3, 15):\n  r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, 1); fcntl.fcntl(r, 10, n)\n"
            "  fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC); os.write(w, b'x')\n"
            "time.sleep(0.1); print('alive')"), "alive\n")

    def test_a_false_trailer_is_not_the_trailer(self):
        false = "\\x1e" + "f" * 32 + ":cGFkZG9jay1pbml0IDEK.\\n"
        trailer = self.run_agent(python(f"import sys; sys.stdout.write('{false}'); sys.stderr.write('\\x1e' + 'f' * 32 + '\\n'); sys.exit(3)"))
        self.assertEnded(trailer, "exit 3")
        self.assertTrue(trailer.stdout.startswith(b"\x1e" + b"f" * 32))


PORT = 3128
# A root folder of its own, with the host's folders and /.paddock in it.
OWN_ROOT = r"""
root=/run/root
mkdir $root $root/.paddock
for entry in /*; do
    if [ -L "$entry" ]; then cp -P "$entry" $root/
    elif [ -d "$entry" ]; then mkdir $root"$entry"; mount --rbind "$entry" $root"$entry"
    fi
done
if [ -e /sys/fs/cgroup/egress.sock ]; then
    mkdir $root/.paddock/egress
    touch $root/.paddock/egress/proxy.sock
    mount --bind /sys/fs/cgroup/egress.sock $root/.paddock/egress/proxy.sock
fi
"""
CLIENT = f"""
import os, signal, socket, struct, sys, threading
def connect():
    return socket.create_connection(("127.0.0.1", {PORT}), timeout={PATIENCE})
def read_all(s):
    data = bytearray()
    while True:
        try: chunk = s.recv(65536)
        except ConnectionResetError: return bytes(data) + b'(reset)'
        if not chunk: return bytes(data)
        data += chunk
def ask(data):
    s = connect(); s.sendall(data); s.shutdown(socket.SHUT_WR); return read_all(s)
def forwarder():
    for pid in sorted(int(n) for n in os.listdir('/proc') if n.isdigit()):
        if pid not in (1, os.getpid()) and int(open('/proc/%d/stat' % pid).read().split(')')[1].split()[1]) == 1: return pid
def up():
    print('up', flush=True); sys.stdin.readline()
"""


def read_to_end(connection):
    data = bytearray()
    while chunk := connection.recv(65536):
        data += chunk
    return bytes(data)


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


class Proxy:
    """Stands behind the unix socket as the runner's proxy does; each connection is served in a thread."""

    def __init__(self, serve, backlog=1024):
        self.serve, self.backlog = serve, backlog
        self.served, self.most, self.open, self.lock = [], 0, 0, threading.Lock()
        self.listener, self.connections = socket.socket(socket.AF_UNIX), []

    def bind(self, folder):
        self.listener.bind(folder + "/egress.sock")
        os.chmod(folder + "/egress.sock", 0o777)
        self.listener.listen(self.backlog)

    def start(self):
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            connection.settimeout(PATIENCE)
            self.connections.append(connection)
            with self.lock:
                self.open += 1
                self.most = max(self.most, self.open)
            threading.Thread(target=self.handle, args=[connection], daemon=True).start()

    def handle(self, connection):
        result = None
        try:
            result = self.serve(connection)
        except OSError as error:
            result = error
        finally:
            connection.close()
            with self.lock:
                self.open -= 1
                self.served.append(result)

    def close(self):
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class EgressBox(Sandbox):
    """A sandbox with a way out to a proxy of ours."""

    def __init__(self, serve=None, uid=None, prepare=":", proxy=None):
        self.proxy = proxy or (Proxy(serve) if serve else None)
        super().__init__(uid=uid, prepare=OWN_ROOT + prepare)
        if self.proxy and not proxy:
            self.proxy.start()

    def set_up_folder(self):
        if self.proxy:
            self.proxy.bind(self.folder)

    def __exit__(self, *arguments):
        if self.proxy:
            self.proxy.close()
        super().__exit__(*arguments)

    def agent(self, code, **options):
        """Starts an agent that can connect; its stdin ends only with a line, which `go` sends."""
        self.launch(python(CLIENT + code), send=b"", length=3, port=PORT, **options).join(PATIENCE)

    def go(self):
        self.send(b"go\n")

    def finish(self):
        """Its trailer, which shows that nothing of the agent was left."""
        self.go()
        trailer = self.trailer()
        assert trailer["killed"] == "0", trailer.lines
        return trailer

    @property
    def forwarder_pid(self):
        return int(Path(f"/proc/{self.init_pid}/task/{self.init_pid}/children").read_text().split()[0])

    def forwarder_switches(self):
        """How often it has gone to sleep, and how often it was interrupted."""
        status = Path(f"/proc/{self.forwarder_pid}/status").read_text()
        return [int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line]

    def wait_until_idle(self):
        """Waits until the forwarder sleeps and is woken by nothing."""
        def idle():
            before = self.forwarder_switches()
            for _ in range(20):
                time.sleep(0.003)
                if self.forwarder_switches() != before:
                    return False
            return Path(f"/proc/{self.forwarder_pid}/stat").read_text().split()[2] == "S"
        wait_until(idle, "the forwarder to be idle")


class Egress(Base):
    def run_client(self, code, serve, uid=None, **options):
        with EgressBox(serve, uid, **options) as box:
            box.agent(code)
            trailer = box.finish()
            self.assertEqual(trailer["stop"], "none")
            self.assertEqual(box.stderr.decode(), "")
            return trailer["ended"], box.stdout.decode()

    def assertSleepsBetweenTries(self, box):
        sleeps = box.forwarder_switches()[0]
        wait_until(lambda: box.forwarder_switches()[0] >= sleeps + 10, "the forwarder to sleep between its tries")

    def test_the_first_connection_succeeds(self):
        for _ in range(5):
            self.assertEqual(self.run_client("print(ask(b'hello'))", echo, UID), ("exit 0", "b'hello'\n"))

    def test_no_forwarder_without_a_port(self):
        with Sandbox() as box:
            box.launch(python(CLIENT + "print(forwarder())\ntry: connect()\nexcept ConnectionRefusedError: print('refused')"))
            self.assertEnded(box.trailer(), "exit 0")
            self.assertEqual(box.stdout, b"None\nrefused\n")

    def test_a_port_that_cannot_be_listened_on(self):
        with EgressBox(echo, UID) as box:
            box.launch(["sh", "-c", "echo ran"], port=80)
            self.assertEqual(box.exit_code(), 71)
            box.out.join(PATIENCE)
            self.assertEqual(box.output(), b"")
            self.assertIn(b"egress", box.err.data)

    def test_the_client_ends_first(self):
        data = os.urandom(1 << 20)
        code = ("import hashlib\ns = connect(); d = open('/run/paddock/secrets/D', 'rb').read(); s.sendall(d)\n"
                "s.shutdown(socket.SHUT_WR)\nprint(read_all(s).decode(), hashlib.sha256(d).hexdigest())")
        digest = hashlib.sha256(data[:1_000_000]).hexdigest()
        with EgressBox(lambda c: c.sendall(hashlib.sha256(read_to_end(c)).hexdigest().encode())) as box:
            box.agent(code, secrets=[("D", data[:1_000_000])])
            box.finish()
            self.assertEqual(box.stdout.decode(), f"{digest} {digest}\n")

    def test_the_proxy_ends_first(self):
        def serve(connection):
            connection.sendall(b"x" * 1_000_000)
            connection.shutdown(socket.SHUT_WR)
            return read_to_end(connection)
        with EgressBox(serve) as box:
            box.agent("s = connect(); print(len(read_all(s)), flush=True); s.sendall(b'y' * 1000000); s.close(); up()")
            wait_until(lambda: box.proxy.served, "the proxy to read to the end")
            self.assertEqual(box.proxy.served, [b"y" * 1_000_000])
            box.finish()
            self.assertEqual(box.stdout, b"1000000\nup\n")

    def test_both_sides_talk_after_an_empty_half(self):
        self.assertEqual(self.run_client("print(ask(b''))", lambda c: c.sendall(b"nothing" + read_to_end(c))),
                         ("exit 0", "b'nothing'\n"))

    def test_two_hundred_connections_at_once(self):
        code = ("random = __import__('random').Random(7)\ntotal = 1 << 20\npool = random.randbytes(total + 200)\n"
                "socks = [connect() for _ in range(200)]\ngood = []\n"
                "def send(i):\n  socks[i].sendall(pool[i:i + total]); socks[i].shutdown(socket.SHUT_WR)\n"
                "def receive(i):\n  good.append(read_all(socks[i]) == pool[i:i + total])\n"
                "threading.stack_size(256 << 10)\n"
                "threads = [threading.Thread(target=f, args=[i]) for f in (send, receive) for i in range(200)]\n"
                "for t in threads: t.start()\nfor t in threads: t.join()\nprint(len(good), all(good))")
        def serve(connection):
            wait_until(lambda: box.proxy.most == 200, "200 connections")
            echo(connection)
        with EgressBox(serve) as box:
            box.agent(code)
            box.finish()
            self.assertEqual(box.stdout, b"200 True\n")

    def test_a_reader_that_stalls(self):
        size = 64 << 20
        sent = []

        def serve(connection):
            if connection.recv(1) == b"e":
                return echo(connection)
            sent.append(0)
            for _ in range(size >> 16):
                connection.sendall(b"z" * 65536)
                sent[0] += 65536

        code = (f"s = connect(); s.sendall(b'f'); up()\nd = os.urandom(8 << 20); e = connect()\n"
                "t = threading.Thread(target=lambda: (e.sendall(b'e' + d), e.shutdown(socket.SHUT_WR))); t.start()\n"
                f"print(read_all(e) == d); t.join(); print('other', flush=True); sys.stdin.readline()\nn = 0\n"
                "while True:\n  b = s.recv(1 << 20)\n  if not b: break\n  n += len(b); assert not b.strip(b'z')\nprint(n)")

        def memory():
            status = Path(f"/proc/{box.forwarder_pid}/status").read_text()
            return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
        with EgressBox(serve) as box:
            box.launch(python(CLIENT + code), send=b"", length=6, port=PORT)
            box.wait_for(b"up\n")
            wait_until(lambda: sent and sent[0], "the first bytes")
            box.wait_until_idle()
            before, stalled = memory(), sent[0]
            self.assertLess(stalled, 1 << 20)
            box.go()
            box.wait_for(b"other\n")
            box.wait_until_idle()
            self.assertEqual(sent[0], stalled)
            self.assertLess(memory() - before, 256)  # KiB: two buffers of the other connection, and a stack
            self.assertEqual(box.finish()["ended"], "exit 0")
            self.assertEqual(box.stdout.decode(), f"up\nTrue\nother\n{size}\n")

    def test_a_proxy_that_stalls(self):
        gate = threading.Event()

        def serve(connection):
            gate.wait(PATIENCE)
            return len(read_to_end(connection))
        code = "s = connect(); up(); s.sendall(b'x' * (16 << 20)); s.shutdown(socket.SHUT_WR); print(read_all(s))"
        with EgressBox(serve) as box:
            box.agent(code)
            box.wait_for(b"up\n")
            box.go()
            wait_until(lambda: box.proxy.connections and readable(box.proxy.connections[0]) > 0, "bytes")
            box.wait_until_idle()
            self.assertLess(readable(box.proxy.connections[0]), 4 << 20)
            gate.set()
            self.assertEqual(box.trailer()["killed"], "0")
            self.assertEqual((box.stdout, box.proxy.served), (b"up\nb''\n", [16 << 20]))

    def test_a_proxy_that_has_gone_while_the_reader_stalls(self):
        def serve(connection):
            connection.setblocking(False)
            count = 0
            try:
                while True:
                    count += connection.send(b"x" * 4096)
                    time.sleep(0)
            except BlockingIOError:
                return count
        with EgressBox(serve) as box:
            box.agent("s = connect(); up(); print(len(read_all(s)))")
            wait_until(lambda: box.proxy.served, "the proxy to fill everything and go")
            box.wait_until_idle()
            box.finish()
            self.assertEqual(box.stdout.decode(), f"up\n{box.proxy.served[0]}\n")

    def test_a_client_that_has_gone_while_the_proxy_stalls(self):
        gate = threading.Event()

        def serve(connection):
            gate.wait(PATIENCE)
            return len(read_to_end(connection))
        code = ("s = connect(); s.setblocking(False); n = 0\n"
                "try:\n  while True: n += s.send(b'x' * 4096)\nexcept BlockingIOError: pass\ns.close(); print(n, flush=True); up()")
        with EgressBox(serve) as box:
            box.agent(code)
            box.wait_for(b"up\n")
            box.wait_until_idle()
            gate.set()
            wait_until(lambda: box.proxy.served, "the proxy to read to the end")
            box.finish()
            self.assertEqual(box.stdout.decode(), f"{box.proxy.served[0]}\nup\n")

    def test_without_a_proxy_connections_are_closed(self):
        gone = Proxy(echo)
        code = "for i in range(300): assert connect().recv(1) == b''\nprint('closed')"
        with EgressBox() as box:
            box.agent(code)
            box.finish()
            self.assertEqual(box.stdout, b"closed\n")
        with EgressBox(proxy=gone) as box:
            gone.close()  # the socket's file is still there
            box.agent(code)
            box.finish()
            self.assertEqual(box.stdout, b"closed\n")

    def test_a_proxy_that_dies_midway(self):
        def serve(connection):
            connection.recv(1)
            connection.sendall(b"part")
            box.proxy.listener.shutdown(socket.SHUT_RDWR)
        with EgressBox(serve) as box:
            box.agent("s = connect(); s.sendall(b'x'); print(read_all(s))\n"
                      "try: s.sendall(b'x' * (8 << 20)); print('taken')\nexcept OSError: print('closed')\n"
                      "print(connect().recv(1))")
            box.finish()
            self.assertEqual(box.stdout, b"b'part'\nclosed\nb''\n")

    def test_an_answer_before_the_whole_request_arrives(self):
        def serve(connection):
            connection.recv(10)
            connection.sendall(b"no, too big")  # and closed with most of the request unread
        with EgressBox(serve) as box:
            box.agent("s = connect()\ntry: s.sendall(b'x' * (32 << 20))\nexcept OSError: pass\nprint(s.recv(100))")
            box.finish()
            self.assertEqual(box.stdout, b"b'no, too big'\n")

    def test_a_client_that_resets(self):
        with EgressBox(read_to_end) as box:
            box.agent("s = connect(); s.sendall(b'abc'); print('sent', flush=True); sys.stdin.readline()\n"
                      "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close(); print(ask(b''))")
            box.wait_for(b"sent\n")
            wait_until(lambda: box.proxy.open == 1, "the connection")
            self.assertEqual(box.finish()["ended"], "exit 0")
            self.assertEqual(box.stdout, b"sent\nb''\n")
            wait_until(lambda: len(box.proxy.served) == 2, "both connections to end")
            self.assertIn(b"abc", box.proxy.served)

    def many(self, count, most, prepare=":"):
        """Opens so many connections at once; the proxy answers none before it has as many as it can get."""
        full = threading.Event()

        def serve(connection):
            if box.proxy.most == most:
                full.set()
            full.wait(PATIENCE)
            connection.sendall(b"answer to " + read_to_end(connection))
        code = (f"socks = [connect() for i in range({count})]; up()\n"
                "for i, s in enumerate(socks): s.sendall(b'%d' % i); s.shutdown(socket.SHUT_WR)\n"
                "print(all(read_all(s) == b'answer to %d' % i for i, s in enumerate(socks)))")
        with EgressBox(serve, prepare=prepare) as box:
            box.agent(code)
            box.wait_for(b"up\n")
            wait_until(full.is_set, f"{most} connections")
            box.wait_until_idle()
            self.assertEqual(box.finish()["ended"], "exit 0")
            self.assertEqual(box.stdout, b"up\nTrue\n")
            self.assertEqual((box.proxy.most, len(box.proxy.served)), (most, count))

    def test_more_connections_than_there_are_at_once(self):
        self.many(600, 256)

    def test_more_connections_than_the_limit_of_files_allows(self):
        self.many(55, 31, "ulimit -n 64")

    def test_a_full_backlog_of_the_proxy(self):
        proxy = Proxy(echo, backlog=0)
        with EgressBox(proxy=proxy) as box:
            box.agent("socks = [connect() for _ in range(20)]; up()\nfor s in socks: s.sendall(b'x'); assert s.recv(1) == b'x'\nprint('all')")
            box.wait_for(b"up\n")
            wait_until(lambda: len(os.listdir(f"/proc/{box.forwarder_pid}/fd")) >= 3, "connections that wait")
            self.assertSleepsBetweenTries(box)
            proxy.start()
            box.finish()
            self.assertEqual(box.stdout, b"up\nall\n")

    def test_a_poll_that_fails_is_tried_again(self):
        with EgressBox(echo) as box:
            box.agent("up(); s = connect(); print('connected', flush=True); s.sendall(b'x'); print(s.recv(1))")
            box.wait_for(b"up\n")
            limits = resource.prlimit(box.forwarder_pid, resource.RLIMIT_NOFILE)
            resource.prlimit(box.forwarder_pid, resource.RLIMIT_NOFILE, (64, limits[1]))
            box.go()
            box.wait_for(b"connected\n")
            self.assertSleepsBetweenTries(box)
            resource.prlimit(box.forwarder_pid, resource.RLIMIT_NOFILE, limits)
            self.assertEqual(box.trailer()["ended"], "exit 0")
            self.assertEqual(box.stdout, b"up\nconnected\nb'x'\n")

    def test_the_end_does_not_wait_for_connections(self):
        flood = b"x" * (64 << 20)
        with EgressBox(lambda connection: connection.sendall(flood)) as box:
            box.agent("socks = [connect() for _ in range(100)]\nfor s in socks: s.recv(1)\nup(); os._exit(4)")
            box.wait_for(b"up\n")
            box.go()
            start = time.monotonic()
            trailer = box.trailer()
            self.assertEnded(trailer, "exit 4")
            self.assertLess(time.monotonic() - start, 15)
            self.assertEqual(trailer["killed"], "0")
            self.assertEqual(box.acknowledge(), 0)
            wait_until(lambda: len(box.proxy.served) == 100, "the proxy to see the end of all")

    def test_a_stopped_forwarder_does_not_delay_the_end(self):
        self.assertEqual(self.run_client("s = connect(); os.kill(forwarder(), signal.SIGSTOP)", echo), ("exit 0", ""))

    def test_a_forwarder_that_the_agent_kills(self):
        code = ("s = connect(); os.kill(forwarder(), signal.SIGKILL); print(read_all(s)[-7:])\n"
                "while True:\n  try: connect().close()\n  except ConnectionRefusedError: break\n  except ConnectionResetError: pass\n"
                "print('refused', flush=True)\nif os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)")
        with EgressBox(echo, UID) as box:
            box.agent(code)
            trailer = box.trailer()
            self.assertEnded(trailer, "exit 0")
            self.assertEqual(trailer["killed"], "1")  # the agent's child
            self.assertIn(b"refused\n", box.stdout)

    def test_other_signals_do_nothing_to_the_forwarder(self):
        self.assertEqual(self.run_client("pid = forwarder()\nfor n in range(1, 65):\n"
                                         "  if n not in (9, 19, 32, 33, 34): os.kill(pid, n)\nprint(ask(b'still'))", echo, UID),
                         ("exit 0", "b'still'\n"))

    def test_nothing_of_the_forwarder_can_be_read(self):
        code = ("pid = forwarder()\nfor name in ('mem', 'environ', 'maps', 'fd', 'exe', 'cwd', 'fd/0'):\n"
                "  try:\n    path = '/proc/%d/%s' % (pid, name)\n"
                "    os.listdir(path) if name == 'fd' else os.readlink(path) if name in ('exe', 'cwd', 'fd/0') else open(path, 'rb').read(1)\n"
                "    print(name)\n  except PermissionError: pass\nprint('done')")
        self.assertEqual(self.run_client(code, echo, UID), ("exit 0", "done\n"))

    def test_the_forwarder_holds_nothing_of_the_frame(self):
        secret = b"a secret of the agent's"
        with EgressBox(echo) as box:
            box.agent("print(ask(b'hello'), flush=True); up()", secrets=[("S", secret)])
            box.wait_for(b"up\n")
            files = {name: os.readlink(f"/proc/{box.forwarder_pid}/fd/{name}")
                     for name in os.listdir(f"/proc/{box.forwarder_pid}/fd")}
            self.assertEqual([(name, file[:7]) for name, file in files.items()], [("0", "socket:")])
            found = {pid: memory_holds(pid, [NONCE.encode(), secret]) for pid in (box.init_pid, box.forwarder_pid)}
            self.assertEqual(found[box.forwarder_pid], [False, False])
            self.assertEqual(found[box.init_pid], [True, False], "the search finds what is there")
            box.finish()


def readable(connection):
    """How many bytes wait to be read."""
    return struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.FIONREAD, b"\0" * 4))[0]


def memory_holds(pid, needles):
    """Which of these are in the writable memory of a process."""
    found = [False] * len(needles)
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            if "rw" not in line.split()[1] or end - start > 1 << 30:  # a sanitizer's shadow holds no data
                continue
            memory.seek(start)
            data = memory.read(end - start)
            found = [was or needle in data for was, needle in zip(found, needles)]
    return found


if __name__ == "__main__":
    unittest.main()
