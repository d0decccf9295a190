#!/bin/sh
# Builds the sandbox init: one static binary that runs in any image.
#   build.sh OUTPUT        CC=COMPILER chooses another one
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 OUTPUT" >&2
    exit 64
fi
compiler=${CC:-musl-gcc}
if ! command -v "$compiler" >/dev/null 2>&1; then
    echo "$0: $compiler not found; install it with: apt-get install musl-tools" >&2
    exit 69
fi
sources=$(dirname "$0")
"$compiler" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror \
    -fstack-protector-strong -fstack-clash-protection -fno-strict-aliasing \
    -static -s -Wl,-z,relro,-z,now,-z,noexecstack,--build-id=none \
    -o "$1" "$sources"/*.c
chmod 0755 "$1"
