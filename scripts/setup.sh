#!/bin/sh
# Makes .venv from a lock file and installs the checkout into it. Usage: scripts/setup.sh LOCK
set -eu
cd "$(dirname "$0")/.."
lock=$1

fail() { echo "setup: $1" >&2; exit 1; }
new_enough() { command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

python=${PYTHON:-}
if [ -z "$python" ]; then
    # The distribution's Python first: it is built with profiles, and the gateway takes less CPU on it.
    python=/usr/bin/python3
    new_enough "$python" || python=python3
fi
new_enough "$python" || fail "Python 3.11 or newer is needed: install it, or say PYTHON=..."

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "setup: making .venv"
    rm -rf .venv
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        # Debian keeps venv apart from Python; without the right to install it, another Python may have it.
        rm -rf .venv
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "setup: installing python3-venv"
            { apt-get update -qq && apt-get install -y -qq python3-venv; } >/dev/null 2>&1 || fail "apt-get install python3-venv failed"
        else
            new_enough python3 && python=python3
        fi
        "$python" -m venv .venv >/dev/null 2>&1 || fail "$python -m venv fails: apt-get install python3-venv"
    fi
fi

# Beside pip: what waits for a registry here leaves the processor to the other.
checks=
[ "$lock" = requirements.lock ] || checks=--with-checks
scripts/dashboard.sh $checks &
dashboard=$!

echo "setup: installing what $lock names"
# The lock is whole, so nothing else is looked up: an older pip would take the newest release of a dependency asked for
# with an extra, and refuse it because its hash is not here.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$lock"
# Tests ask the semantic cache; who serves installs it by `make semantic`.
[ "$lock" = requirements.lock ] || scripts/semantic.sh
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
wait "$dashboard"
