#!/usr/bin/env bash
# Makes a Debian 12+ or Ubuntu 22.04+ machine ready for Paddock, and says what it did.
#
#   scripts/setup.sh build    the packages that building needs
#   scripts/setup.sh run      the same, a Docker Engine that answers, and the base images
#   scripts/setup.sh test     the same, and what the tests use
#   scripts/setup.sh bench    what run does, and what the benchmarks use
#   scripts/setup.sh fuzz     the packages that building and fuzzing need
#
# It installs only what is missing, and never touches an Engine that answers. What it changes on the machine: the
# packages it names, apt's package lists when something has to be installed, the Engine it starts, and two images.

set -euo pipefail
cd "$(dirname "$0")/.."

readonly SWIFT_MINIMUM="6.2"
readonly DEFAULT_SOCKET="/var/run/docker.sock"
readonly ENGINE_LOG="/var/log/paddock-dockerd.log"
readonly ENGINE_PID="/var/run/docker.pid"
# Of an Engine that this script has started; the machine's own configuration stays as it is.
readonly ENGINE_CONFIG="/var/run/paddock-dockerd.json"
readonly ENGINE_DEADLINE=60
# The package's Python, and not one that happens to be earlier in PATH: it is what we install when it is missing.
readonly PYTHON="/usr/bin/python3"

# One package a word. `a|b` is satisfied by either, and `a` is what gets installed.
# The second line is what a Swift toolchain from an archive needs to run at all. libpq-dev is PostgreSQL's client
# library, which Storage is linked with; it brings libssl-dev, for its TLS.
readonly BUILD_PACKAGES="gcc g++ libc6-dev make git tar pkg-config|pkgconf musl-tools
    binutils ca-certificates libncurses6
    libcurl4-openssl-dev|libcurl4-gnutls-dev libseccomp-dev libpq-dev libsqlite3-dev
    libvalijson-dev nlohmann-json3-dev"
readonly RUN_PACKAGES="python3"
# postgresql: the tests start servers of their own with its programs, on sockets in temporary folders. The cluster that
# the package makes for itself is not used. openssl makes the certificates of the tests' servers.
# curl, a browser and Prometheus are clients of the server's. python3-venv: the tests of the HTTP API and the web page have
# Python packages of their own.
readonly TEST_PACKAGES="util-linux procps iproute2 openssl docker-registry postgresql curl prometheus python3-venv
    fonts-dejavu-core"
# More runtimes to test with, and a browser, where the distribution has them.
readonly OPTIONAL_PACKAGES="crun runsc chromium"
# What those Python packages are in; a hash of the list says whether they are up to date.
readonly PYTHON_PACKAGES=".build/python"
# wrk makes the load of requests; the peers have Python packages of their own; decisions are measured on PostgreSQL too.
readonly BENCH_PACKAGES="wrk python3-venv postgresql"
readonly FUZZ_PACKAGES="clang-14 libclang-rt-14-dev"

say() { printf 'setup: %s\n' "$*" >&2; }

fail() {
    printf 'setup: error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] && return
    # sudo resets PATH, and a Swift toolchain is seldom in the one that it sets.
    fail "$1, and that needs root" "run: sudo env \"PATH=\$PATH\" scripts/setup.sh $GOAL"
}

# --- Swift ------------------------------------------------------------------------------------------------------

# `check_swift early` lets a toolchain pass that does not run yet: what it lacks may be among our packages.
check_swift() {
    local version
    if ! command -v swift >/dev/null; then
        fail "there is no swift in PATH; Paddock needs Swift $SWIFT_MINIMUM or newer" \
            "get it from https://www.swift.org/install/linux/ and put its usr/bin folder into PATH" \
            "with sudo, which resets PATH: sudo env \"PATH=\$PATH\" scripts/setup.sh $GOAL"
    fi
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1 || true)
    if [ -z "$version" ]; then
        [ "${1:-}" != early ] || return 0
        fail "\`swift --version\` does not work" "$(swift --version 2>&1 | tail -n 3 || true)"
    fi
    if [ "$(printf '%s\n' "$SWIFT_MINIMUM" "$version" | sort -V | head -n 1)" != "$SWIFT_MINIMUM" ]; then
        fail "the swift in PATH is $version; Paddock needs $SWIFT_MINIMUM or newer" \
            "get it from https://www.swift.org/install/linux/"
    fi
}

# --- packages ---------------------------------------------------------------------------------------------------

# Prints those of the given packages that are not installed.
missing() {
    local installed word name found
    # One call for all of them. It fails when it does not know one, which is an answer and no error here.
    # shellcheck disable=SC2046
    installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' $(tr '|' ' ' <<<"$*") 2>/dev/null || true) "
    for word in "$@"; do
        found=
        for name in ${word//|/ }; do
            [[ $installed == *" installed:$name "* ]] && found=1
        done
        [ -n "$found" ] || printf '%s ' "${word%%|*}"
    done
}

APT_LOG=
POLICY=
INSTALLED=

clean_up() {
    [ -z "$APT_LOG" ] || rm -f "$APT_LOG"
    [ -z "$POLICY" ] || rm -f "$POLICY"
}
trap clean_up EXIT

apt_get() {
    APT_LOG=${APT_LOG:-$(mktemp)}
    if ! DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get -q -o DPkg::Lock::Timeout=120 "$@" >"$APT_LOG" 2>&1 </dev/null; then
        tail -n 20 "$APT_LOG" >&2
        fail "\`apt-get $1\` failed; the end of its log is above"
    fi
}

LISTS_FRESH=
update_lists() {
    [ -z "$LISTS_FRESH" ] || return 0
    say "reading apt's package lists (about 10 s)"
    apt_get update
    LISTS_FRESH=1
}

# Without a systemd that runs, a package must not start its service from an init script: we start the Engine
# ourselves, with a log and a deadline. The policy file is the way that Debian has for saying so.
keep_services_down() {
    [ ! -d /run/systemd/system ] || return 0
    [ ! -e /usr/sbin/policy-rc.d ] || return 0
    POLICY=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

install_missing() {
    local packages
    packages=$(missing "$@")
    packages=${packages% }
    [ -n "$packages" ] || return 0
    need_root "these packages are missing: $packages"
    update_lists
    say "installing $packages (up to a minute or two)"
    keep_services_down
    # shellcheck disable=SC2086
    apt_get install -y --no-install-recommends $packages
    [ -z "$POLICY" ] || rm -f "$POLICY"
    POLICY=
    INSTALLED="$INSTALLED $packages"
    say "installed $packages"
}

# --- the Engine -------------------------------------------------------------------------------------------------

# Sets SOCKET, or stops at a DOCKER_HOST that we cannot use.
find_socket() {
    local host=${DOCKER_HOST:-unix://$DEFAULT_SOCKET}
    case $host in
    unix:///*) SOCKET=${host#unix://} ;;
    *) fail "DOCKER_HOST is $host: Paddock works with an Engine on this machine, over its unix socket" \
        "unset DOCKER_HOST, or set it to unix://$DEFAULT_SOCKET" ;;
    esac
}

# 0: it answers. 1: nothing there. 2: it is there, but not for this user.
engine_answers() {
    "$PYTHON" - "$SOCKET" <<'PYTHON'
import socket, sys
try:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(sys.argv[1])
        connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")
        sys.exit(0 if b" 200 " in connection.recv(64) else 1)
except PermissionError:
    sys.exit(2)
except OSError:
    sys.exit(1)
PYTHON
}

wait_for_engine() {
    local deadline=$((SECONDS + ENGINE_DEADLINE))
    while [ $SECONDS -lt $deadline ]; do
        if engine_answers; then return 0; fi
        # By hand: our child; a child that has ended will never answer.
        if [ -n "${1:-}" ] && ! kill -0 "$1" 2>/dev/null; then return 1; fi
        sleep 0.2
    done
    return 1
}

# The runtimes that are installed. gVisor has no network to give, takes our system call filter, and lets a sandbox
# connect to the one socket that may be mounted into it.
write_engine_config() {
    local runtimes=
    if command -v crun >/dev/null; then runtimes='"crun": {"path": "'$(command -v crun)'"}'; fi
    if command -v runsc >/dev/null; then
        runtimes="${runtimes:+$runtimes, }\"runsc\": {\"path\": \"$(command -v runsc)\", \"runtimeArgs\":"
        runtimes="$runtimes [\"--platform=ptrace\", \"--network=none\", \"--oci-seccomp\", \"--host-uds=open\"]}"
    fi
    printf '{"runtimes": {%s}}\n' "$runtimes" >"$ENGINE_CONFIG.new"
    mv "$ENGINE_CONFIG.new" "$ENGINE_CONFIG"
}

# An Engine that this script has started learns of runtimes that were installed since.
refresh_engine_config() {
    local before pid
    pid=$(cat "$ENGINE_PID" 2>/dev/null || true)
    [ -n "$pid" ] && [ -e "$ENGINE_CONFIG" ] || return 0
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "--config-file=$ENGINE_CONFIG" || return 0
    before=$(cat "$ENGINE_CONFIG")
    write_engine_config
    [ "$before" != "$(cat "$ENGINE_CONFIG")" ] || return 0
    kill -HUP "$pid"
    say "told the Engine of the runtimes that are installed"
}

start_engine() {
    local pid
    if [ "$SOCKET" != "$DEFAULT_SOCKET" ] && [ "$SOCKET" != "/run/docker.sock" ]; then
        fail "no Engine answers at DOCKER_HOST=unix://$SOCKET" \
            "start it, or unset DOCKER_HOST: at the default place this script starts one itself"
    fi

    if [ -d /run/systemd/system ]; then
        say "starting the Docker Engine with systemd (a few seconds)"
        systemctl start docker || fail "systemctl start docker failed" "see: journalctl -u docker -n 50"
        wait_for_engine || fail "the Engine did not answer within $ENGINE_DEADLINE s" "see: journalctl -u docker -n 50"
        say "started the Docker Engine (stop it with: systemctl stop docker docker.socket)"
        return
    fi

    pid=$(cat "$ENGINE_PID" 2>/dev/null || true)
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null || true)" = dockerd ]; then
        say "dockerd runs (process $pid) but does not answer yet: waiting up to $ENGINE_DEADLINE s"
        wait_for_engine || fail "dockerd (process $pid) does not answer at $SOCKET" "look into its log, or stop it"
        return
    fi
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ] && [ ! -d /sys/fs/cgroup/memory ]; then
        fail "the cgroup file systems are not mounted, and the Engine limits nothing without them" \
            "mount them (package cgroupfs-mount, or: mount -t cgroup2 none /sys/fs/cgroup) and try again"
    fi

    say "starting dockerd by hand, as no systemd runs here (a few seconds)"
    set -- dockerd --host="unix://$SOCKET" --pidfile="$ENGINE_PID"
    if [ ! -e /etc/docker/daemon.json ]; then
        write_engine_config
        set -- "$@" --config-file="$ENGINE_CONFIG"
    fi
    # crun refuses to start where cgroup v1 has v2 mounted beside it. Hidden from the Engine, nobody misses it.
    if mountpoint -q /sys/fs/cgroup/unified && [ -d /sys/fs/cgroup/memory ]; then
        set -- unshare --mount --propagation slave sh -c 'umount /sys/fs/cgroup/unified; exec "$@"' sh "$@"
    fi
    setsid "$@" >"$ENGINE_LOG" 2>&1 </dev/null &
    if ! wait_for_engine $!; then
        tail -n 20 "$ENGINE_LOG" >&2
        kill $! 2>/dev/null || true
        fail "dockerd did not come up; the end of its log ($ENGINE_LOG) is above"
    fi
    say "started dockerd (log: $ENGINE_LOG; stop it with: kill \$(cat $ENGINE_PID))"
}

engine() {
    local answer=0
    engine_answers || answer=$?
    [ $answer != 0 ] || return 0
    if [ $answer = 2 ]; then
        fail "no permission to use the Engine's socket $SOCKET" "run as root, or add this user to the socket's group"
    fi
    if ! command -v dockerd >/dev/null && [ ! -x /usr/sbin/dockerd ] && [ ! -x /usr/bin/dockerd ]; then
        need_root "there is no Docker Engine on this machine"
        update_lists
        set -- docker.io
        # Newer releases have the client in a package of its own.
        if [ -n "$(apt-cache show docker-cli 2>/dev/null)" ]; then set -- "$@" docker-cli; fi
        # Where the kernel has AppArmor on, the Engine loads a profile with a tool from this package, and starts no
        # container without it.
        if grep -qs Y /sys/module/apparmor/parameters/enabled; then set -- "$@" apparmor; fi
        install_missing "$@"
        # With systemd the package has started its service already.
        if [ -d /run/systemd/system ] && wait_for_engine; then return; fi
    fi
    need_root "no Docker Engine answers, and it has to be started"
    start_engine
}

# --- Python packages of the tests ---------------------------------------------------------------------------------

python_packages() {
    local list=Tests/Web/requirements.txt stamp=$PYTHON_PACKAGES/requirements.sha256 hash
    hash=$(sha256sum <"$list")
    [ "$(cat "$stamp" 2>/dev/null || true)" != "$hash" ] || return 0
    say "installing Python packages into $PYTHON_PACKAGES (up to a minute)"
    rm -rf "$PYTHON_PACKAGES"
    "$PYTHON" -m venv "$PYTHON_PACKAGES"
    # Not by the path of pip, which names the interpreter by where it was made.
    "$PYTHON_PACKAGES/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$list" ||
        fail "pip could not install what $list names" "it needs PyPI, or an index of yours: PIP_INDEX_URL"
    echo "$hash" >"$stamp"
}

# --- what was asked for -----------------------------------------------------------------------------------------

GOAL=${1:-}
case $GOAL in
build | run | test | bench | fuzz) ;;
*)
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

command -v apt-get >/dev/null || fail "there is no apt-get: this script knows Debian 12+ and Ubuntu 22.04+" \
    "elsewhere, install what the lists at its top name, and a Docker Engine"
check_swift early
needs_engine() { [ "$GOAL" = run ] || [ "$GOAL" = test ] || [ "$GOAL" = bench ]; }
! needs_engine || find_socket

packages=$BUILD_PACKAGES
! needs_engine || packages="$packages $RUN_PACKAGES"
[ "$GOAL" != test ] || packages="$packages $TEST_PACKAGES"
[ "$GOAL" != bench ] || packages="$packages $BENCH_PACKAGES"
[ "$GOAL" != fuzz ] || packages="$packages $FUZZ_PACKAGES"
# shellcheck disable=SC2086
install_missing $packages
if [ "$GOAL" = test ]; then
    for package in $OPTIONAL_PACKAGES; do
        if [ -n "$(missing "$package")" ] && [ -n "$(apt-cache show "$package" 2>/dev/null)" ]; then
            install_missing "$package"
        fi
    done
fi
check_swift
[ "$GOAL" != test ] || python_packages
! needs_engine || engine
! needs_engine || refresh_engine_config
[ -n "$INSTALLED" ] || say "nothing to install"
# shellcheck disable=SC2046
! needs_engine || "$PYTHON" images/base/build.py $([ "$GOAL" != test ] || echo --tests)
