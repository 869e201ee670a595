#!/bin/sh
# Run the fast tests with the lowest versions that pyproject.toml promises, in a venv of their own.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-lowest
[ -x $venv/bin/python ] || "${PYTHON:-python3}" -m venv $venv
$venv/bin/python -m pip install --quiet --disable-pip-version-check uv
$venv/bin/uv pip compile --quiet --resolution lowest-direct \
    --extra engine --extra experiments --extra test --output-file $venv/lowest.txt pyproject.toml
$venv/bin/uv pip install --quiet --python $venv/bin/python --requirement $venv/lowest.txt
$venv/bin/uv pip install --quiet --python $venv/bin/python --no-deps --editable .
$venv/bin/python -m pytest -n 2 --dist worksteal -q -m "not slow" "$@"
