#!/usr/bin/env bash
# Checks that the targets under Sources/ import downward only, as the architecture has it.
#
# Our own modules and a few libraries that belong to one place are in the tables; any other import is free. And that
# nothing but the sandbox's policy writes a HostConfig.

set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# What each of our targets may import of ours.
declare -A ALLOWED=(
    [Paddock]="API Runner Storage Entitlements DockerAPI WebClient"
    [API]="Runner Entitlements Storage WebClient"
    [Runner]="Storage Entitlements DockerAPI WebClient CJSONSchema CResolver CSeccomp"
    [Entitlements]="Storage"
    [Storage]="CPostgres"
    [DockerAPI]="CCurl"
    [WebClient]="CCurl"
)
readonly OURS=" Paddock API Runner Entitlements Storage DockerAPI WebClient SandboxInit EgressForwarder SyscallRecorder SandboxProbes CCurl CPostgres CSeccomp CResolver CJSONSchema "

# Libraries that only these targets may import.
declare -A ONLY_IN=(
    [Hummingbird]="API Paddock"
    [GRDB]="Storage"
)

failures=0
refuse() {
    printf '%s: error: %s\n' "$1" "$2" >&2
    failures=$((failures + 1))
}

# `import X`, with any attributes and access level before it, and a kind and a path after it:
#   @preconcurrency public import struct Storage.Row
readonly IMPORT='^[[:space:]]*((@[A-Za-z_]+(\([^)]*\))?|public|package|internal|fileprivate|private)[[:space:]]+)*import[[:space:]]+((typealias|struct|class|enum|protocol|let|var|func)[[:space:]]+)?`?([A-Za-z_][A-Za-z0-9_]*)'

while IFS= read -r match; do
    file=${match%%:*}
    rest=${match#*:}
    line=${rest%%:*}
    [[ ${rest#*:} =~ $IMPORT ]] || continue
    module=${BASH_REMATCH[6]}
    target=${file#Sources/}
    target=${target%%/*}
    if [[ $OURS == *" $module "* && $module != "$target" && " ${ALLOWED[$target]:-} " != *" $module "* ]]; then
        refuse "$file:$line" "$target must not import $module (it may import: ${ALLOWED[$target]:-none of ours})"
    fi
    # HummingbirdTesting and its like follow the library that they are part of.
    for library in "${!ONLY_IN[@]}"; do
        if [[ $module == "$library"* && " ${ONLY_IN[$library]} " != *" $target "* ]]; then
            refuse "$file:$line" "$target must not import $module (only ${ONLY_IN[$library]// / and } may)"
        fi
    done
done < <(grep -rnE --include='*.swift' "$IMPORT" Sources || true)

# A target that the table does not know would be checked for nothing.
for folder in Sources/*/; do
    target=$(basename "$folder")
    if [[ $OURS != *" $target "* ]]; then
        refuse "Sources/$target" "the table in scripts/check-imports.sh does not know this target"
    fi
done

# What a container may do is decided in one place.
while IFS= read -r match; do
    refuse "${match%%:*}" "only SandboxPolicy may write a HostConfig"
done < <(grep -rnE --include='*.swift' 'HostConfig\(|\.?hostConfig\.[A-Za-z]+ *=[^=]' Sources |
    grep -vE '^Sources/(Runner/Sandbox/SandboxPolicy(\+Unsafe)?|DockerAPI/Types/ContainerSpec)\.swift:' || true)

[ "$failures" = 0 ] || exit 1
echo "check-imports: imports point downward only" >&2
