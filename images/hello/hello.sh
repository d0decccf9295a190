# The smallest useful agent: a line for the log, a result in the file named by OUTPUT.
set -eu

: "${OUTPUT:?names the file for the result; Paddock sets it}"

echo "Hello from ${PADDOCK_EXECUTION_ID:-outside Paddock}."
echo "I am user $(id -u), and this is all I see of the machine: $(echo /*)"
echo '{"greeting": "hello, world"}' >"$OUTPUT"
