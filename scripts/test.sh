#!/usr/bin/env bash
# Runs every test that was built, goes on where one fails, and repeats at the end what failed: who reads a log of CI sees
# its end first.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=()

# What a suite says of its failures begins with the line that the pattern finds.
suite() {
    local name=$1 failures=$2
    shift 2
    echo "test: $name" >&2
    "$@" 2>&1 | tee "$logs/$name" && return
    failed+=("$name")
    sed -n "/$failures/,\$p" "$logs/$name" | tail -n 100 > "$logs/$name.failures"
}

suite init '^\(FAIL\|ERROR\): ' python3 Tests/SandboxInit/test_sandbox_init.py
suite swift '^What failed:' scripts/swift-test.sh
suite web '^=* short test summary' env PYTHONDONTWRITEBYTECODE=1 PADDOCK_EXAMPLES=4 \
    .build/python/bin/python -m pytest Tests/Web -m 'not slow'

[ ${#failed[@]} -gt 0 ] || exit 0
{
    for name in "${failed[@]}"; do
        echo
        echo "test: $name failed"
        cat "$logs/$name.failures"
    done
} >&2
exit 1
