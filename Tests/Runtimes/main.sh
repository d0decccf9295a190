# What a shell asks of the kernel: pipes, jobs, traps, redirections, tools.
set -eu

pipes() {
    [ "$(seq 1 1000 | grep 7 | sort -r | head -n 1)" = 997 ]
    mkfifo /tmp/fifo
    echo through >/tmp/fifo &
    read -r line </tmp/fifo
    [ "$line" = through ]
    wait
}

jobs_and_traps() {
    caught=
    trap 'caught=yes' USR1
    (sleep 0.02; kill -USR1 $$) &
    wait || true
    [ "$caught" = yes ]
    sleep 60 &
    kill $!
    wait $! && false || [ $? = 143 ]
}

files() {
    mkdir -p /tmp/a/b
    cat >/tmp/a/b/c <<END
$(date +%Y)
END
    cp -a /tmp/a /tmp/d
    tar -C /tmp -czf /tmp/a.tar.gz a
    tar -tzf /tmp/a.tar.gz | grep -q a/b/c
    find /tmp/d -type f -exec md5sum {} + | grep -q c
    ln -s c /tmp/d/b/link
    mv /tmp/d/b/c /tmp/d/b/e
    chmod 600 /tmp/d/b/e
    touch -d '2020-01-01 00:00' /tmp/d/b/e
    rm -r /tmp/a /tmp/d
}

limits() {
    (ulimit -n 64; ulimit -c 0; timeout 5 true)
    df /tmp | grep -q /tmp
    ps | grep -q sh
}

for check in pipes jobs_and_traps files limits; do
    $check
    echo "ok $check"
done
