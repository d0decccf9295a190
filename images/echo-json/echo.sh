# Gives its input back as its output, byte for byte.
set -eu

: "${OUTPUT:?names the file for the result; Paddock sets it}"

cat >"$OUTPUT"
bytes=$(wc -c <"$OUTPUT")
if [ "$bytes" -eq 0 ]; then
    echo "echo-json: there is no input on stdin" >&2
    rm -f "$OUTPUT"
    exit 2
fi
echo "echoed $bytes bytes"
