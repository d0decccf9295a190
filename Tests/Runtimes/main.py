"""What Python asks of the kernel: threads, processes, files, sockets, event loops, timers."""

import asyncio
import concurrent.futures
import fcntl
import mmap
import multiprocessing
import os
import resource
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time


def threads():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sum, [range(1000)] * 32)) == [499500] * 32
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    assert event.wait(10)


def square(number):
    return number * number


def processes():
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(10)) == [n * n for n in range(10)]
    assert subprocess.run(["cat"], input=b"hi", capture_output=True, check=True).stdout == b"hi"
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
    sleeper.terminate()
    assert sleeper.wait() == -signal.SIGTERM


def files():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "w+b") as file:
            file.write(b"x" * 8192)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_EX)
            with mmap.mmap(file.fileno(), 0) as mapped:
                mapped[0] = 65
        os.rename(path, path + "2")
        os.symlink(path, path + "3")
        database = sqlite3.connect(os.path.join(folder, "data"))
        database.execute("pragma journal_mode = wal")
        database.execute("create table t (a)")
        database.executemany("insert into t values (?)", [(n,) for n in range(100)])
        database.commit()
        assert database.execute("select sum(a) from t").fetchone() == (4950,)
        database.close()


def sockets():
    async def talk():
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "localhost", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"%d\n" % number)
            answer = await reader.readline()
            writer.close()
            return int(answer)

        try:
            assert await asyncio.gather(*map(ask, range(20))) == list(range(20))
        finally:
            server.close()
        child = await asyncio.create_subprocess_exec("echo", "hi", stdout=subprocess.PIPE)
        assert (await child.communicate())[0] == b"hi\n"

    asyncio.run(talk())
    left, right = socket.socketpair()
    left.sendmsg([b"hi"])
    assert right.recv(2) == b"hi"
    assert socket.gethostbyname("localhost") == "127.0.0.1"
    ssl.create_default_context()


def timers():
    caught = []
    signal.signal(signal.SIGALRM, lambda number, frame: caught.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    assert caught == [signal.SIGALRM]
    start = time.monotonic()
    time.sleep(0.01)
    assert time.monotonic() - start >= 0.01
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    os.nice(1)


if __name__ == "__main__":
    for check in (threads, processes, files, sockets, timers):
        check()
        print("ok", check.__name__)
