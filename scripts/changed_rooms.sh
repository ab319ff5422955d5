#!/bin/sh
# Prints the test folders of the rooms that changed since main, and tests/house, for `make quick`.
set -eu
cd "$(dirname "$0")/.."
base=$(git merge-base HEAD main 2>/dev/null || git rev-parse HEAD)
{
    git diff --name-only "$base"
    git ls-files --others --exclude-standard
    echo tests/house/
} | sed -nE 's#^tests/tapes/.*#tests/wire#p; s#^(src/tokenharbor|tests)/([a-z_0-9]+)/.*#tests/\2#p' | sort -u |
    while read -r folder; do
        if ls "$folder"/test_*.py >/dev/null 2>&1; then echo "$folder"; fi
    done
