#!/bin/sh
# Train on exports with PyTorch, torchvision and Ultralytics, in a venv of their own (5 GB).
set -eu
cd "$(dirname "$0")/.."
venv=.venv-peers
if [ ! -x $venv/bin/python ]; then
    "${PYTHON:-python3}" -m venv $venv
    $venv/bin/python -m pip install --quiet --disable-pip-version-check \
        "torch>=2.14.1" "torchvision>=0.29.1" "ultralytics>=8.3"
    $venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[engine,test]"
fi
$venv/bin/python -m pytest -q tests/data/test_torch.py tests/data/test_export_clients.py
$venv/bin/python -m scripts.peers
