#!/bin/sh
# embed.sh OUTPUT.swift: compiles the init and writes it as a Swift constant.
set -eu
output=$1
binary=$output.bin
sh "$(dirname "$0")/build.sh" "$binary"
{
    echo "/// The static binary of \`Sources/SandboxInit\`. Made by the build."
    echo "enum SandboxInitBinary {"
    echo "    /// Keeps the inits of different versions apart."
    echo "    static let digest = \"$(sha256sum "$binary" | cut -c 1-16)\""
    echo "    static let size = $(wc -c <"$binary")"
    printf '    static let base64: StaticString = "'
    base64 -w 0 "$binary"
    echo '"'
    echo "}"
} >"$output.new"
mv "$output.new" "$output"
rm -f "$binary"
