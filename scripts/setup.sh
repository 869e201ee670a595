#!/bin/sh
# Install the project into a venv of its own: ./scripts/setup.sh EXTRAS
# On Debian as root, missing system packages are installed too; elsewhere they are named.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

system() { # package names
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"
    else
        echo "Please install these packages of your system and run this again: $*" >&2
        exit 1
    fi
}

command -v "$python" >/dev/null || system python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version)." >&2
    exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || system python3-venv
[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "Installing into .venv (a few minutes the first time) ..."
# uv takes a quarter of pip's time. Where only pip is configured for an index, pip does it; modules
# are compiled when they are first imported, since most never are.
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv &&
    .venv/bin/uv pip install --quiet --python .venv/bin/python -e ".[$1]" ||
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -e ".[$1]"
# opencv-python's wheel links against libraries a minimal Debian lacks.
.venv/bin/python -c 'import cv2' 2>/dev/null || system libgl1 libglib2.0-0
.venv/bin/python -c 'import cv2'
# The tests play videos in a real browser; elsewhere than on Debian as root they skip that.
case ",$1," in
*,test,*)
    if ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        system chromium
    fi
    ;;
esac
