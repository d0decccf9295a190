#!/bin/sh
# embed-program.sh NAME OUTPUT.swift FOLDER...: compiles a static program and writes it as a Swift constant.
set -eu
name=$1
output=$2
shift 2
binary=$output.bin
sh "$(dirname "$0")/build-static.sh" "$binary" "$@"
{
    echo "/// The static binary of \`Sources/$name\`. Made by the build."
    echo "let embedded$name = EmbeddedProgram("
    echo "    digest: \"$(sha256sum "$binary" | cut -c 1-16)\","
    echo "    size: $(wc -c <"$binary"),"
    printf '    base64: "'
    base64 -w 0 "$binary"
    echo '"'
    echo ")"
} >"$output.new"
mv "$output.new" "$output"
rm -f "$binary"
