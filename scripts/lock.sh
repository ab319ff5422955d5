#!/bin/sh
# Resolves the dependencies of pyproject.toml into the two lock files: exact versions with hashes, no index lines.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
    --extra setup pyproject.toml -o requirements.lock
.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
    --extra setup --extra dev pyproject.toml -o requirements-dev.lock
{
    echo "# Packages of the semantic cache beside requirements.lock; made by scripts/lock.sh. The model's package depends on PyTorch,"
    echo "# which is not used here: so install with --no-deps."
    sed -n '/^    "\(numpy\|onnxruntime\)/s/^    "\([^"]*\)".*/\1/p' pyproject.toml |
        .venv/bin/uv pip compile -q --generate-hashes --no-annotate --no-emit-index-url --no-header --python-version 3.11 \
            -c requirements-dev.lock -
    .venv/bin/uv pip compile -q --generate-hashes --no-annotate --no-emit-index-url --no-header --python-version 3.11 --no-deps \
        scripts/model.in
} >requirements-semantic.lock.new
mv requirements-semantic.lock.new requirements-semantic.lock
for names in tests/e2e/clients/python/*.in; do
    .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
        "$names" -o "${names%.in}.lock"
done
