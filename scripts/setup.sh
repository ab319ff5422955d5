#!/bin/sh
# Makes .venv from a lock file and installs the checkout into it. Usage: scripts/setup.sh LOCK
set -eu
cd "$(dirname "$0")/.."
lock=$1

fail() { echo "setup: $1" >&2; exit 1; }
new_enough() { command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; }

python=${PYTHON:-}
if [ -z "$python" ]; then
    # Prefer the distribution's Python: it is built with profile-guided optimisation, so the gateway takes less CPU.
    python=/usr/bin/python3
    new_enough "$python" || python=python3
fi
new_enough "$python" || fail "Python 3.11 or newer is required: install it, or set PYTHON=..."

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "setup: creating .venv"
    rm -rf .venv
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        # Debian packages venv separately. If it cannot be installed here, another Python may have it.
        rm -rf .venv
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "setup: installing python3-venv"
            { apt-get update -qq && apt-get install -y -qq python3-venv; } >/dev/null 2>&1 || fail "apt-get install python3-venv failed"
        else
            new_enough python3 && python=python3
        fi
        "$python" -m venv .venv >/dev/null 2>&1 || fail "$python -m venv failed: apt-get install python3-venv"
    fi
fi

# In parallel with pip: while one waits for its registry, the other can use the processor.
checks=
[ "$lock" = requirements.lock ] || checks=--with-checks
scripts/dashboard.sh $checks &
dashboard=$!

echo "setup: installing the packages of $lock"
# --no-deps, as the lock is complete: an older pip would resolve a dependency with an extra to its newest release, and
# then refuse it, because its hash is not in the lock.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$lock"
# Tests need the semantic cache; for serving, `make semantic` installs it.
[ "$lock" = requirements.lock ] || scripts/semantic.sh
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
wait "$dashboard"
