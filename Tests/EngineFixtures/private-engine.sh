#!/usr/bin/env bash
# Runs a Docker Engine of our own for the tests, and does to it what they ask for.
#
#   private-engine.sh FOLDER
#
# FOLDER is made, and holds all that the Engine has; its socket is FOLDER/docker.sock. One command a line on stdin, one
# answer a line on stdout, `ok` and maybe a value or `failed` and a reason:
#
#   start [OPTION...] (of dockerd)    stop    kill (SIGKILL)    hang (SIGSTOP)    resume (SIGCONT)
#   load IMAGE (from the machine's Engine)
#
# Its default runtime is runc, which waits in `start` for as long as there is a file FOLDER/hang.
#
# At the end of stdin, which is also how a test process that died looks, the Engine is killed with all that it runs, and
# FOLDER removed.

set -uo pipefail

readonly FOLDER=$1
readonly SOCKET=$FOLDER/docker.sock
readonly ENGINE_LOG=$FOLDER/dockerd.log
ENGINE=

answer() { printf '%s\n' "$*"; }

ended() {
    [ -z "$ENGINE" ] || wait "$ENGINE" 2>/dev/null
    ENGINE=
}

# Of the Engine's helpers and of what runs in its containers: they name FOLDER in their command line, or have been
# started by one that does.
processes() {
    local id file
    for id in /proc/[0-9]*; do
        id=${id#/proc/}
        [ "$id" != $$ ] || continue
        ! grep -qF "$FOLDER/" "/proc/$id/cmdline" || echo "$id"
    done
    for file in "$FOLDER"/exec/containerd/daemon/io.containerd.runtime.v*/moby/*/init.pid; do
        [ ! -e "$file" ] || cat "$file"
        [ ! -e "$file" ] || echo
    done
}

clean_up() {
    local round mount
    # Processes that go away while they are looked for, and those that are killed.
    exec 2>/dev/null
    rm -f "$FOLDER/hang"
    for round in 1 2 3 4 5; do
        # shellcheck disable=SC2046
        kill -KILL $(processes) 2>/dev/null || break
        sleep 0.1
    done
    ended
    # Of containers that were killed with it; the last first.
    awk '{ print $2 }' /proc/mounts | grep -F "$FOLDER/" | tac | while read -r mount; do umount -l "$mount"; done
    for round in 1 2 3 4 5; do
        rm -rf "$FOLDER" 2>/dev/null && break
        sleep 0.2
    done
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

make_runtime() {
    mkdir -m 755 "$FOLDER" || return
    # The Engine puts its own options before the command.
    cat >"$FOLDER/waiting-runc" <<RUNTIME
#!/bin/sh
case " \$* " in
*' start '*) while [ -e '$FOLDER/hang' ]; do sleep 0.1; done ;;
esac
exec runc "\$@"
RUNTIME
    chmod 755 "$FOLDER/waiting-runc"
}

engine() { docker --host "unix://$SOCKET" "$@"; }

start() {
    local deadline
    # containerd dies with its dockerd; where nobody reaps it, its number still looks like a process.
    rm -f "$FOLDER/exec/containerd/containerd.pid" "$FOLDER/pid"
    # In a network namespace of its own: with --bridge none it removes docker0, which is another's.
    unshare --net dockerd --host "unix://$SOCKET" --data-root "$FOLDER/data" --exec-root "$FOLDER/exec" \
        --pidfile "$FOLDER/pid" --bridge none --iptables=false --ip6tables=false \
        --add-runtime "waiting=$FOLDER/waiting-runc" --default-runtime waiting "$@" \
        </dev/null >>"$ENGINE_LOG" 2>&1 &
    ENGINE=$!
    deadline=$((SECONDS + 180))
    while kill -0 "$ENGINE" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
        if engine version >/dev/null 2>&1; then
            answer ok
            return
        fi
        sleep 0.05
    done
    answer failed "$(tail -n 3 "$ENGINE_LOG" | tr '\n' ' ')"
}

load() { docker save "$1" | engine load >/dev/null; }

report() { if "$@"; then answer ok; else answer failed "$*"; fi; }

report make_runtime

while read -r -a words; do
    case ${words[0]} in
    start) start "${words[@]:1}" ;;
    stop)
        kill -TERM "$ENGINE" 2>/dev/null
        ended
        answer ok
        ;;
    kill)
        kill -KILL "$ENGINE" 2>/dev/null
        ended
        answer ok
        ;;
    hang) report kill -STOP "$ENGINE" ;;
    resume) report kill -CONT "$ENGINE" ;;
    load) report load "${words[1]}" ;;
    *) answer failed "unknown command ${words[0]}" ;;
    esac
done
