"""Runs a command where this program decides what the host's address and the names in the world are.

    unshare --net --mount python3 world.py FOLDER COMMAND...

The network namespace has the public address 11.22.33.44 on its loopback interface, a web server on port 80 of every
address, and a name server that the namespace's resolv.conf names, together with the search list corp.test.
"""

import fcntl
import http.server
import os
import socket
import struct
import subprocess
import sys
import threading

NAMES = {"real.wild.test": "127.0.0.1", "public.test": "11.22.33.44"}
SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1


def address_of(name):
    return "127.0.0.1" if name.endswith(".corp.test") else NAMES.get(name)


def set_up_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton("11.22.33.44"))
        fcntl.ioctl(control, SIOCSIFADDR, struct.pack("16s16s", b"lo:1", address))


def replace(path, folder, text):
    ours = os.path.join(folder, os.path.basename(path))
    with open(ours, "w") as file:
        file.write(text)
    subprocess.run(["mount", "--bind", ours, path], check=True)


def serve_names(server):
    """RFC 1035: answers A with one address; what is not known does not exist."""
    while True:
        query, client = server.recvfrom(4096)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += query[at] + 1
        question = query[12 : at + 5]
        address = address_of(".".join(labels).lower())
        is_a = question[-4:-2] == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address) if address and is_a else b""
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if address else 0x8183, 1, bool(answer), 0, 0)
        server.sendto(head + question + answer, client)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


folder, command = sys.argv[1], sys.argv[2:]
set_up_loopback()
replace("/etc/resolv.conf", folder, "search corp.test\nnameserver 127.0.0.1\n")
replace("/etc/hosts", folder, "127.0.0.1 localhost\n127.0.0.1 filed.wild.test\n")
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
threading.Thread(target=serve_names, args=(names,), daemon=True).start()
web = http.server.ThreadingHTTPServer(("0.0.0.0", 80), Handler)
threading.Thread(target=web.serve_forever, daemon=True).start()
sys.exit(subprocess.run(command).returncode)
