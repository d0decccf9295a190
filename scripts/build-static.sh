#!/bin/sh
# Builds a program of ours that runs inside sandboxes: one static binary that runs in any image.
#   build-static.sh OUTPUT FOLDER...       from every C file of the folders; CC=COMPILER chooses another compiler
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 OUTPUT FOLDER..." >&2
    exit 64
fi
output=$1
shift
compiler=${CC:-musl-gcc}
if ! command -v "$compiler" >/dev/null 2>&1; then
    echo "$0: $compiler not found; install it with: apt-get install musl-tools" >&2
    exit 69
fi
sources=
includes=
for folder in "$@"; do
    includes="$includes -I$folder"
    sources="$sources $(echo "$folder"/*.c)"
done
# shellcheck disable=SC2086
"$compiler" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror \
    -fstack-protector-strong -fstack-clash-protection -fno-strict-aliasing \
    -static -s -Wl,-z,relro,-z,now,-z,noexecstack,--build-id=none \
    $includes -o "$output" $sources
chmod 0755 "$output"
