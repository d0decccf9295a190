#!/usr/bin/env bash
# Runs the Swift tests that were built, eight at a time, and repeats at the end each failure: thousands of lines stand
# between the failure and the last line, and who reads a log of CI sees its end first.
# Arguments go to swift test, for example --filter NodeTests.
set -euo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# All tests at once, as swift test begins them, would starve each other of a small machine's processors.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=8
if swift test --skip-build "$@" 2>&1 | tee "$log"; then
    exit 0
fi
echo >&2
echo 'What failed:' >&2
grep -aE '✘ Test .* recorded an issue|error: |Fatal error|crashed|unexpected signal' "$log" | cut -c 1-2000 >&2 || true
exit 1
