#!/usr/bin/env bash
# Runs a PostgreSQL server of our own for the tests, and does to it what they ask for.
#
#   private-cluster.sh FOLDER [tls|durable]
#
# FOLDER is made, and holds the data and the server's socket. With `tls` the server also listens on 127.0.0.1, with a
# certificate in FOLDER/ca.crt; with `durable` a commit waits for the disk, and all else is as PostgreSQL comes, for
# benchmarks. One command a line on stdin, one answer a line on stdout, `ok` and maybe a value or `failed` and a reason:
#
#   start    stop    kill (all its processes, SIGKILL)    hang (SIGSTOP)    resume (SIGCONT)    port
#   create NAME    drop NAME    password WORD (of the user paddock)
#
# At the end of stdin, which is also how a test process that died looks, the server is killed and FOLDER removed.
# PostgreSQL does not run as root: then it runs as the user postgres, or nobody.

set -uo pipefail

FOLDER=$1
readonly KIND=${2:-}
readonly DATA=$FOLDER/data
readonly SERVER_LOG=$FOLDER/server.log
SERVER=
PORT=5432

# What it is run by: nothing in between, so that a process id is the server's.
AS=()
if [ "$(id -u)" = 0 ]; then
    OWNER=nobody
    ! id postgres >/dev/null 2>&1 || OWNER=postgres
    AS=(setpriv --reuid="$OWNER" --regid="$(id -g "$OWNER")" --clear-groups --)
fi

# Debian has them in a folder for each version, and not in PATH.
BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
[ -x "$BIN/initdb" ] || BIN=$(dirname "$(command -v initdb || echo /usr/bin/initdb)")

answer() { printf '%s\n' "$*"; }

# The server and its children, which lead process groups of their own.
processes() { [ -z "$SERVER" ] || echo "$SERVER" "$(ps -o pid= --ppid "$SERVER" | tr '\n' ' ')"; }

signal() {
    # shellcheck disable=SC2046
    kill "-$1" $(processes) 2>/dev/null
}

ended() {
    [ -z "$SERVER" ] || wait "$SERVER" 2>/dev/null
    SERVER=
}

clean_up() {
    # Children that the server has just made are found in the second round, as it is dead by then.
    local children
    children=$(processes)
    signal KILL
    # shellcheck disable=SC2086
    [ -z "$children" ] || kill -KILL $children 2>/dev/null
    ended
    rm -rf "$FOLDER"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

make_cluster() {
    mkdir -m 700 "$FOLDER" || return
    [ "$(id -u)" != 0 ] || chown "$OWNER" "$FOLDER"
    # For whoever is to connect through the socket.
    chmod 755 "$FOLDER"
    "${AS[@]}" "$BIN/initdb" --pgdata="$DATA" --username=paddock --auth=trust --encoding=UTF8 --locale=C --no-sync \
        >"$SERVER_LOG" 2>&1 || return
    cat >>"$DATA/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$FOLDER'
max_connections = 300
log_statement = none
CONF
    # A killed process loses nothing that it has written; only a machine that goes down does.
    [ "$KIND" = durable ] || printf 'fsync = off\nshared_buffers = 16MB\n' >>"$DATA/postgresql.conf"
    [ "$KIND" != tls ] || make_tls
}

make_tls() {
    (
        cd "$DATA" || exit
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
            -keyout server.key -out server.crt 2>/dev/null || exit
        cp server.crt "$FOLDER/ca.crt"
        chmod 600 server.key
        chmod 644 "$FOLDER/ca.crt"
        [ "$(id -u)" != 0 ] || chown "$OWNER" server.key server.crt
        printf "listen_addresses = '127.0.0.1'\nssl = on\n" >>postgresql.conf
        # With TLS and a password only.
        printf 'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n' >pg_hba.conf
    )
}

# A free port is found by trying: somebody else may take it between a question and the start.
start() {
    local deadline attempt
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        [ "$KIND" != tls ] || [ "$PORT" != 5432 ] || PORT=$((20000 + RANDOM % 12000))
        "${AS[@]}" "$BIN/postgres" -D "$DATA" -p "$PORT" </dev/null >>"$SERVER_LOG" 2>&1 &
        SERVER=$!
        deadline=$((SECONDS + 30))
        while kill -0 "$SERVER" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
            if "$BIN/pg_isready" -q -h "$FOLDER" -p "$PORT" -U paddock -d postgres; then
                answer ok
                return
            fi
            sleep 0.02
        done
        # After a kill the memory of its last children may still be held.
        signal KILL
        ended
        sleep 0.2
        # Of the first start only: who connects knows the port by then.
        [ "$attempt" -gt 5 ] || [ -s "$FOLDER/started" ] || PORT=5432
    done
    answer failed "$(tail -n 3 "$SERVER_LOG" | tr '\n' ' ')"
}

administer() {
    "$BIN/psql" -q -h "$FOLDER" -p "$PORT" -U paddock -d postgres -c "$1" >>"$SERVER_LOG" 2>&1
}

report() { if "$@"; then answer ok; else answer failed "$*"; fi; }

if make_cluster; then answer ok; else answer failed "$(tail -n 3 "$SERVER_LOG" 2>&1 | tr '\n' ' ')"; fi

while read -r command value; do
    case $command in
    start)
        start
        [ -z "$SERVER" ] || echo yes >"$FOLDER/started"
        ;;
    stop)
        # Fast: open transactions are rolled back, connections closed.
        kill -INT "$SERVER" 2>/dev/null
        ended
        answer ok
        ;;
    kill)
        children=$(processes)
        # shellcheck disable=SC2086
        kill -KILL $children 2>/dev/null
        ended
        answer ok
        ;;
    hang) report signal STOP ;;
    resume) report signal CONT ;;
    port) answer ok "$PORT" ;;
    create) report administer "CREATE DATABASE $value TEMPLATE template0" ;;
    drop) report administer "DROP DATABASE $value WITH (FORCE)" ;;
    password) report administer "ALTER USER paddock PASSWORD '$value'" ;;
    *) answer failed "unknown command $command" ;;
    esac
done
