#!/usr/bin/env python3
"""Makes Paddock's two base images from the host's own Debian or Ubuntu packages, without any registry.

    paddock/busybox:1   a shell and small tools, one static binary
    paddock/python:3    Python 3 with its standard library, and the same shell and tools

And two that Paddock's own image and its database's stand on, made where they are named:

    paddock/runtime:1           the shared libraries of `paddock`, certificates, and the same shell and tools
    paddock/postgresql-base:1   PostgreSQL's server and its client tools, and the same shell and tools

And four that only the tests use: paddock/test-node, paddock/test-java, and paddock/test-go, a static program that Go's
compiler makes of Tests/Runtimes/main.go, and paddock/test-http, programs that speak HTTP.

How: apt resolves the packages against an empty system, so the sources, keys, proxy and pinning that the host has
configured are used as they are; `apt-get download` fetches and verifies them; their files are merged into one layer
here, unpacked only, with no maintainer script run. The layer and the image's configuration hold nothing that depends
on when or where they were made, so that the same packages give the same image id each time.

Up to date is judged by a label: the hash of this file and of the packages that apt would choose now.

    images/base/build.py [--force] [--tests] [busybox] [python] [runtime] [postgresql] [test-node] [test-java] [test-go]
                         [test-http]
"""

import argparse
import concurrent.futures
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse

# This folder is part of a repository: leave no __pycache__ in it.
sys.dont_write_bytecode = True
from engine import Engine, EngineError  # noqa: E402

LABEL = "paddock.base.key"

# Packages that only installing needs. No package is ever installed in these images, and nothing here is linked by
# what is left: compile_and_check fails the build if that stops being true.
NOT_NEEDED = {
    "base-files", "cdebconf", "debconf", "dpkg", "install-info", "libacl1", "libaudit-common", "libaudit1",
    "libcap-ng0", "libdebconfclient0", "libmd0", "libpam-modules", "libpam-modules-bin", "libpam-runtime", "libpam0g",
    "libpcre2-8-0", "libselinux1", "libzstd1", "perl-base", "sensible-utils", "tar",
}

# Files that a program in a sandbox has no use for. Paths are without a leading slash, after the merge into /usr.
NOT_WANTED = re.compile(
    r"""
    usr/share/(doc|man|info|locale|lintian|bash-completion|bug|menu|pixmaps|applications|binfmts|debconf|python3)(/|$)
  | usr/share/gcc(/|$) | usr/share/gdb(/|$) | usr/share/readline(/|$) | usr/share/apport(/|$)
  | usr/lib/[^/]+/gconv(/|$)                      # glibc's character set modules: Python brings its own codecs
  | usr/lib/(valgrind|mime|systemd)(/|$)
  | usr/lib/python3[^/]*/(test|idlelib|lib2to3|ensurepip|pydoc_data|turtledemo|config-[^/]+)(/|$)
  | usr/bin/(pydoc|pygettext|py3|2to3).*
  | etc/(apparmor\.d|binfmt\.d|ld\.so\.conf\.d/fakeroot.*)(/|$)
    """,
    re.VERBOSE,
)

# Debian 12 and Ubuntu still have packages with files in /bin and /lib, whose real place is under /usr.
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# The users that an image names itself. A Paddock sandbox mounts a file of its own over /etc/passwd.
PASSWD = b"root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"

IMAGES = {
    "busybox": {"tag": "paddock/busybox:1", "packages": ["busybox-static"], "command": ["/bin/sh"]},
    "python": {"tag": "paddock/python:3", "packages": ["python3", "busybox-static"], "command": ["python3"]},
    "runtime": {
        # libzstd1 is in NOT_NEEDED, and libcurl is linked with it.
        "tag": "paddock/runtime:1",
        "packages": ["libcurl4", "libseccomp2", "libpq5", "libsqlite3-0", "libstdc++6", "libzstd1", "ca-certificates",
                     "busybox-static"],
        "command": ["/bin/sh"],
    },
    "postgresql": {
        "tag": "paddock/postgresql-base:1",
        # Those after tzdata are in NOT_NEEDED, and the server is linked with them.
        "packages": ["postgresql", "tzdata", "libaudit1", "libcap-ng0", "libpam0g", "libpcre2-8-0", "libselinux1", "libzstd1",
                     "busybox-static"],
        # Without what Debian's own scripts for clusters need, and the compiler for queries: 100 MB that are not used.
        "without": re.compile(r"perl.*|libperl.*|libllvm.*|postgresql(-client)?-common|ssl-cert|libjson-perl|.*-perl|ucf|sysstat"),
        "command": ["/bin/sh"],
    },
    "test-node": {"tag": "paddock/test-node:1", "packages": ["nodejs", "busybox-static"], "command": ["node"]},
    "test-java": {
        "tag": "paddock/test-java:1", "packages": ["default-jre-headless", "busybox-static"],
        # The rest is for sound, fonts, printing and smart cards.
        "only": re.compile(r"(default|openjdk-\d+)-jre-headless|busybox-static|libc6|zlib1g|libgcc-s1|libstdc\+\+6"),
        "command": ["/usr/lib/jvm/default-java/bin/java"],
    },
    "test-go": {
        "tag": "paddock/test-go:1", "packages": ["golang-go", "busybox-static"], "program": "Tests/Runtimes/main.go",
        "command": ["/usr/bin/main"],
    },
    "test-http": {
        "tag": "paddock/test-http:1", "packages": ["curl", "libzstd1", "python3-requests", "busybox-static"],
        "command": ["curl"],
    },
}
BASES = ("busybox", "python")
TESTS = tuple(name for name in IMAGES if name.startswith("test-"))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
ENVIRONMENT = {
    "python": {
        "LANG": "C.UTF-8",
        # The root is read-only: there is nowhere to write bytecode to.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Logs are read live: a line printed must not wait in a buffer.
        "PYTHONUNBUFFERED": "1",
    },
}


class BuildError(Exception):
    pass


def say(text):
    print(f"images: {text}", file=sys.stderr, flush=True)


def run(command, env_only=None, **options):
    """Runs a command and returns its stdout; a failure carries the end of what it wrote."""
    environment = env_only or {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options)
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).decode("utf-8", "replace").splitlines()[-15:])
        raise BuildError(f"`{' '.join(command[:2])}` failed with {result.returncode}:\n{tail}")
    return result.stdout


# --- which packages ---------------------------------------------------------------------------------------------


class Package:
    """A package as apt chose it: `libssl3_3.0.22-1~deb12u2_amd64.deb` and the hash that the archive signed."""

    def __init__(self, filename, digest):
        self.name, version, _ = filename.rsplit("_", 2)
        self.version = urllib.parse.unquote(version)
        self.identity = f"{filename} {digest}"


def resolve(names):
    """What apt would install on an empty system to get `names`, without recommended packages or those in NOT_NEEDED."""
    with tempfile.TemporaryDirectory(prefix="paddock-apt-") as scratch:
        status = os.path.join(scratch, "status")
        open(status, "w").close()
        os.makedirs(os.path.join(scratch, "cache/archives/partial"))
        lines = run([
            "apt-get", "-o", f"Dir::State::status={status}", "-o", f"Dir::Cache::archives={scratch}/cache/archives",
            "-o", "APT::Install-Recommends=false", "-o", "APT::Install-Suggests=false", "-o", "Debug::NoLocking=true",
            "-o", "Acquire::ForceHash=SHA256",
            # What the host has marked as wanted is none of the image's business.
            "-o", f"Dir::State::extended_states={scratch}/extended_states",
            "-qq", "-y", "--print-uris", "install", *names,
        ]).decode().splitlines()
    packages = []
    for line in lines:
        # 'URI' FILE SIZE SHA256:HASH; the hash is left out where the list itself was not signed.
        match = re.fullmatch(r"'[^']*' (\S+\.deb) \d+ ?(\S*)", line.strip())
        if match:
            packages.append(Package(*match.groups()))
    if not packages:
        raise BuildError(f"apt named no package for {' '.join(names)}")
    return sorted((p for p in packages if p.name not in NOT_NEEDED or p.name in names), key=lambda p: p.name)


def with_package_lists(action):
    """Runs `action`; where it fails, refreshes apt's package lists once (they were never fetched, or are so old that
    the archive has newer versions in place of those listed) and tries again."""
    try:
        return action()
    except BuildError as error:
        if os.geteuid() != 0:
            raise BuildError(f"{error}\nRun `sudo apt-get update` and try again.") from None
        say("apt cannot get the packages that its lists name: running apt-get update (about 10 s)")
        run(["apt-get", "update", "-q"])
        return action()


def choose(name):
    """The packages that an image is made from."""
    only, without = IMAGES[name].get("only"), IMAGES[name].get("without")
    return [p for p in resolve(IMAGES[name]["packages"])
            if (only is None or only.fullmatch(p.name)) and (without is None or not without.fullmatch(p.name))]


def key_of(name, packages, architecture):
    digest = hashlib.sha256()
    program = [os.path.join(ROOT, IMAGES[name]["program"])] if "program" in IMAGES[name] else []
    for part in [__file__, sys.modules[Engine.__module__].__file__, *program]:
        with open(part, "rb") as file:
            digest.update(file.read())
    digest.update(architecture.encode())
    for package in packages:
        digest.update(f"\n{package.identity}".encode())
    return digest.hexdigest()


# --- the files --------------------------------------------------------------------------------------------------


class Tree:
    """The files of an image: each path, without a leading slash, to its tar entry and its bytes."""

    def __init__(self):
        self.entries = {}
        self.newest = 0

    def folder(self, path, mode=0o755):
        self._add(path, tarfile.DIRTYPE, mode)

    def file(self, path, data, mode=0o644):
        self._add(path, tarfile.REGTYPE, mode, data)

    def link(self, path, target):
        self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def _add(self, path, kind, mode, data=b"", target=""):
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), target
        self.entries[path] = (entry, data)

    def unpack(self, package_file):
        """Adds a package's files, but for those that are not wanted."""
        data = io.BytesIO(run(["dpkg-deb", "--fsys-tarfile", package_file]))
        with tarfile.open(fileobj=data) as archive:
            for member in archive:
                path = merged(member.name)
                if not path or NOT_WANTED.match(path) or (member.isdir() and path in self.entries):
                    continue
                self.newest = max(self.newest, int(member.mtime))
                if member.islnk():
                    # The archive may have dropped the file that this is a second name of: keep each as a file.
                    self.file(path, archive.extractfile(member).read(), archive.getmember(member.linkname).mode & 0o755)
                elif member.isfile():
                    self.file(path, archive.extractfile(member).read(), member.mode & 0o755)
                elif member.issym():
                    self.link(path, member.linkname)
                elif member.isdir():
                    self.folder(path, member.mode & 0o755)

    def drop_empty_folders(self):
        """Removes the folders that are left over from files that were not wanted."""
        used = set()
        for path, (entry, _) in self.entries.items():
            while not entry.isdir() and "/" in path:
                path = path.rpartition("/")[0]
                used.add(path)
        self.entries = {p: e for p, e in self.entries.items() if not e[0].isdir() or p in used}

    def add_missing_parents(self):
        for path in list(self.entries):
            while "/" in path:
                path = path.rpartition("/")[0]
                if path not in self.entries:
                    self.folder(path)

    def extract(self, root):
        """Writes the tree to disk, for the checks that need to run something in it."""
        for path, (entry, data) in sorted(self.entries.items()):
            place = os.path.join(root, path)
            if entry.isdir():
                os.makedirs(place, exist_ok=True)
            elif entry.issym():
                os.symlink(entry.linkname, place)
            else:
                with open(place, "wb") as file:
                    file.write(data)
                os.chmod(place, entry.mode)

    def write_tar(self, file, epoch):
        """Writes the layer. Order, owner and times are fixed, so that the same files give the same bytes."""
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for _, (entry, data) in sorted(self.entries.items()):
                entry.mtime = epoch
                archive.addfile(entry, io.BytesIO(data))


def merged(path):
    """A path of a package as it is in the image: without "./", and under /usr where that is its real place."""
    path = path.lstrip("./").rstrip("/")
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def make_tree(name, package_files):
    tree = Tree()
    if "program" in IMAGES[name]:
        compiler = [p for p in package_files if not os.path.basename(p).startswith("busybox-static_")]
        package_files = [p for p in package_files if p not in compiler]
    for package_file in package_files:
        tree.unpack(package_file)
    tree.drop_empty_folders()
    if "program" in IMAGES[name]:
        tree.file("usr/bin/main", compile_go(compiler, os.path.join(ROOT, IMAGES[name]["program"])), 0o755)

    with tempfile.TemporaryDirectory(prefix="paddock-base-") as root:
        busybox = os.path.join(root, "busybox")
        with open(busybox, "wb") as file:
            file.write(tree.entries["usr/bin/busybox"][1])
        os.chmod(busybox, 0o755)
        applets = run([busybox, "--list-full"]).decode().split()
    for applet in applets:
        path = merged(applet)
        # A package's own program (python3 among them) goes before a small one of the same name.
        if path.startswith("usr/") and path not in tree.entries:
            tree.link(path, "/usr/bin/busybox")

    for folder in ("bin", "sbin", "lib"):
        tree.link(folder, f"usr/{folder}")
        tree.folder(f"usr/{folder}")
    if any(path.startswith("usr/lib64/") for path in tree.entries):
        tree.link("lib64", "usr/lib64")
    # What is mounted or written at run time exists already. Not /run/paddock, though: a tmpfs takes over the mode of a
    # folder that it is mounted on (runc's tmpcopyup), and then no agent could write its output.
    for folder in ("dev", "proc", "sys", "etc", "run"):
        tree.folder(folder)
    tree.folder("tmp", 0o1777)
    tree.file("etc/passwd", PASSWD)
    tree.file("etc/group", GROUP)
    for path in ("etc/hosts", "etc/hostname", "etc/resolv.conf"):
        tree.file(path, b"")
    if name == "python":
        compile_and_check(tree)
    if name == "runtime":
        bundle_certificates(tree)
    tree.add_missing_parents()
    return tree


def bundle_certificates(tree):
    """One file of all certificates, which the package's script would have written."""
    names = sorted(path for path in tree.entries if path.startswith("usr/share/ca-certificates/") and path.endswith(".crt"))
    tree.file("etc/ssl/certs/ca-certificates.crt", b"".join(tree.entries[path][1] for path in names))


def compile_go(package_files, source):
    """A static program, made by Debian's Go from a folder of its own: nothing is installed."""
    with tempfile.TemporaryDirectory(prefix="paddock-go-") as root:
        for package_file in package_files:
            if os.path.basename(package_file).startswith("golang-"):
                run(["dpkg-deb", "-x", package_file, root])
        goroot = os.path.realpath(os.path.join(root, "usr/lib/go"))
        output = os.path.join(root, "main")
        run([os.path.join(goroot, "bin/go"), "build", "-trimpath", "-ldflags=-s -w", "-o", output, source], cwd=root,
            env_only={"GOROOT": goroot, "GOCACHE": os.path.join(root, "cache"), "GOFLAGS": "-buildvcs=false", "HOME": root,
                      "GO111MODULE": "off", "CGO_ENABLED": "0", "PATH": os.environ["PATH"]})
        with open(output, "rb") as file:
            return file.read()


def compile_and_check(tree):
    """Adds bytecode for the standard library, made by the image's own Python, and checks that each of its libraries
    finds what it is linked with.

    Without bytecode every start of an agent would compile what it imports anew: the root is read-only. The bytecode is
    checked against nothing at run time (`unchecked-hash`), which makes it independent of file times.
    """
    tree.add_missing_parents()
    with tempfile.TemporaryDirectory(prefix="paddock-base-") as root:
        tree.extract(root)
        folders = sorted({os.path.dirname(path) for path in tree.entries if ".so" in path})
        search = ":".join(os.path.join(root, folder) for folder in folders)
        loader = next(p for p in tree.entries if re.fullmatch(r"usr/lib[^/]*(/[^/]+)?/ld-linux[^/]*\.so\.\d+", p))
        loader = os.path.join(root, resolve_link(tree, loader))
        python = os.path.join(root, resolve_link(tree, "usr/bin/python3"))

        unresolved = []
        for path, (entry, data) in tree.entries.items():
            # Not the loader itself, nor busybox, which is linked with nothing.
            if entry.isfile() and data[:4] == b"\x7fELF" and not path.endswith(("/busybox", os.path.basename(loader))):
                # `--list` is what ldd does; the image's own loader sees only the image's own folders.
                listing = run([loader, "--inhibit-cache", "--library-path", search, "--list", os.path.join(root, path)])
                unresolved += [f"{path}:{line}" for line in listing.decode().splitlines()
                               if "not found" in line or (" => /" in line and f" => {root}" not in line)]
        if unresolved:
            raise BuildError("libraries are missing from the image:\n" + "\n".join(unresolved))

        standard_library = os.path.dirname(next(p for p in tree.entries if re.search(r"python3\.\d+/os\.py$", p)))
        script = (
            "import compileall, sys\n"
            f"ok = compileall.compile_dir({os.path.join(root, standard_library)!r}, quiet=1, force=True,"
            f" stripdir={root!r}, prependdir='/', invalidation_mode=__import__('py_compile').PycInvalidationMode.UNCHECKED_HASH)\n"
            "sys.exit(0 if ok else 1)\n"
        )
        run([loader, "--inhibit-cache", "--library-path", search, python, "-B", "-s", "-S", "-c", script],
            # A fixed seed, because the order of a set that is a constant goes into the bytecode.
            env_only={"PYTHONHASHSEED": "0", "PYTHONHOME": os.path.join(root, "usr"), "PATH": os.environ["PATH"]})
        for folder, _, files in os.walk(os.path.join(root, standard_library)):
            for file in files:
                if file.endswith(".pyc"):
                    place = os.path.join(folder, file)
                    with open(place, "rb") as handle:
                        tree.file(os.path.relpath(place, root), handle.read())


def resolve_link(tree, path):
    """The path of the file that a link of the tree ends at."""
    for _ in range(8):
        entry = tree.entries[path][0]
        if not entry.issym():
            return path
        target = entry.linkname if entry.linkname.startswith("/") else f"/{os.path.dirname(path)}/{entry.linkname}"
        path = merged(os.path.normpath(target))
    raise BuildError(f"a loop of links at /{path}")


# --- the image --------------------------------------------------------------------------------------------------


def write_archive(name, tree, key, architecture, file):
    """Writes a docker-archive and returns the image's id: the hash of its configuration."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or tree.newest)
    layer = io.BytesIO()
    tree.write_tar(layer, epoch)
    layer_digest = hashlib.sha256(layer.getvalue()).hexdigest()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    configuration = json.dumps({
        "architecture": {"armhf": "arm", "i386": "386"}.get(architecture, architecture),
        "os": "linux",
        "created": created,
        "config": {
            "Env": [f"{key}={value}" for key, value in {**PATH, **ENVIRONMENT.get(name, {})}.items()],
            "Cmd": IMAGES[name]["command"],
            # An agent never needs root. A Dockerfile that does, to build something, says so with USER.
            "User": "65534:65534",
            "WorkingDir": "/",
            "Labels": {LABEL: key},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": created, "created_by": f"images/base/build.py {name}"}],
    }, sort_keys=True).encode()
    identity = hashlib.sha256(configuration).hexdigest()
    manifest = json.dumps([{
        "Config": f"{identity}.json", "RepoTags": [IMAGES[name]["tag"]], "Layers": [f"{layer_digest}/layer.tar"],
    }]).encode()

    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, data in (
            (f"{identity}.json", configuration), (f"{layer_digest}/layer.tar", layer.getvalue()),
            ("manifest.json", manifest),
        ):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime, entry.mode = len(data), epoch, 0o644
            archive.addfile(entry, io.BytesIO(data))
    return f"sha256:{identity}", len(layer.getvalue())


def download(packages, folder):
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    run(["apt-get", *sandbox, "-q", "download", *(f"{p.name}={p.version}" for p in packages)], cwd=folder)
    return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb"))


def make(engine, name, packages, key, architecture, replaced):
    tag = IMAGES[name]["tag"]
    duration = {"busybox": "a few seconds", "test-go": "half a minute"}.get(name, "about 10 s")
    say(f"{tag}: making it from {len(packages)} packages ({duration})")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paddock-base-") as folder:
        tree = make_tree(name, with_package_lists(lambda: download(packages, folder)))
    with tempfile.TemporaryFile() as archive:
        identity, size = write_archive(name, tree, key, architecture, archive)
        engine.load(archive)
    if engine.image(tag) is None:
        raise BuildError(f"the Engine took the archive but has no {tag}")
    if replaced and replaced != engine.image(tag)["Id"]:
        engine.remove_unused(replaced)
    say(f"{tag}: {identity[:19]}, {size / 1e6:.0f} MB, made in {time.monotonic() - started:.1f} s")


def main():
    parser = argparse.ArgumentParser(description="Makes paddock/busybox:1 and paddock/python:3 from Debian packages.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(IMAGES)} (default: the first two)")
    parser.add_argument("--tests", action="store_true", help="those that the tests use as well")
    parser.add_argument("--force", action="store_true", help="make them even where they are up to date")
    options = parser.parse_args()
    for name in options.names:
        if name not in IMAGES:
            parser.error(f"no such image: {name}; there are {', '.join(IMAGES)}")
    names = options.names or list(BASES + TESTS if options.tests else BASES)
    for tool in ("apt-get", "dpkg", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise BuildError(f"{tool} is missing: the base images are made from Debian packages, on Debian or Ubuntu")

    engine = Engine()
    architecture = run(["dpkg", "--print-architecture"]).decode().strip()
    present = {name: engine.image(IMAGES[name]["tag"]) for name in names}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        choices = with_package_lists(lambda: list(pool.map(choose, names)))
    for name, packages in zip(names, choices):
        key = key_of(name, packages, architecture)
        image = present[name]
        if image and (image["Config"].get("Labels") or {}).get(LABEL) == key and not options.force:
            say(f"{IMAGES[name]['tag']}: up to date")
        else:
            make(engine, name, packages, key, architecture, image and image["Id"])


if __name__ == "__main__":
    try:
        main()
    except (BuildError, EngineError) as error:
        say(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
