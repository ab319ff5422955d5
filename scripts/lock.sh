#!/bin/sh
# Resolves the dependencies of pyproject.toml into the two lock files: exact versions with hashes, no index lines.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
    --extra setup pyproject.toml -o requirements.lock
.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
    --extra setup --extra dev pyproject.toml -o requirements-dev.lock
for names in tests/e2e/clients/python/*.in; do
    .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
        "$names" -o "${names%.in}.lock"
done
