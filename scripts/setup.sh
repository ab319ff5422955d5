#!/bin/sh
# Makes .venv from a lock file and installs the checkout into it. Usage: scripts/setup.sh LOCK
set -eu
cd "$(dirname "$0")/.."
lock=$1
python=${PYTHON:-python3}

fail() { echo "setup: $1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not there: install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed; set PYTHON=..."

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "setup: making .venv"
    rm -rf .venv
    if ! "$python" -m venv .venv 2>/dev/null; then
        # Debian keeps venv apart from Python.
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "python -m venv fails: apt-get install python3-venv"
        echo "setup: installing python3-venv"
        { apt-get update -qq && apt-get install -y -qq python3-venv; } >/dev/null 2>&1 || fail "apt-get install python3-venv failed"
        rm -rf .venv
        "$python" -m venv .venv || fail "python -m venv fails"
    fi
fi

echo "setup: installing what $lock names"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
