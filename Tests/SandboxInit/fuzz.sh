#!/bin/sh
# Fuzzes the frame's parser with libFuzzer, starting from corpus/.
#   fuzz.sh [SECONDS]      60 by default; what it finds new is left in a temporary folder, which it names
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sources=$here/../../Sources/SandboxInit
seconds=${1:-60}
compiler=${CLANG:-clang-14}
case $seconds in '' | *[!0-9]*) echo "usage: $0 [SECONDS]" >&2; exit 64 ;; esac
if ! command -v "$compiler" >/dev/null 2>&1; then
    echo "$0: $compiler not found; install it with: apt-get install clang-14 libclang-rt-14-dev (or set CLANG)" >&2
    exit 69
fi
work=$(mktemp -d)
if ! "$compiler" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -g -fno-sanitize-recover=all \
    -fsanitize=fuzzer,address,undefined -o "$work/fuzz" "$here/fuzz_frame.c" "$sources/frame.c"; then
    echo "$0: $compiler cannot build a fuzzer; is libFuzzer there? apt-get install libclang-rt-14-dev" >&2
    rm -rf "$work"
    exit 69
fi
mkdir "$work/new"
echo "$0: $seconds s from $(find "$here/corpus" -type f | wc -l) seeds; finds go to $work" >&2
cd "$work"
exec ./fuzz -max_total_time="$seconds" -max_len=65536 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$work/crash-" "$work/new" "$here/corpus"
