#!/bin/sh
# embed-files.sh OUTPUT.swift FOLDER...: writes every file of the folders as base64 into a Swift constant, each under its
# path below its folder.
set -eu
output=$1
shift
{
    echo '/// Made by the build. Path and base64 of each file.'
    echo 'let embeddedFiles: [(path: String, base64: String)] = ['
    for folder; do
        (cd "$folder" && find . -type f -name '*.*' | LC_ALL=C sort) | while IFS= read -r file; do
            printf '    ("%s", "' "${file#./}"
            base64 -w 0 "$folder/$file"
            echo '"),'
        done
    done
    echo ']'
} >"$output.new"
mv "$output.new" "$output"
