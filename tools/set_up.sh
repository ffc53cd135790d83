#!/bin/sh
# Makes .venv and installs the package with what its tests need. Names a missing system library, and installs it when
# it may (root on Debian or Ubuntu).
set -eu
PYTHON=${PYTHON:-python3}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "set-up: Python 3.11 or newer is needed, found $("$PYTHON" --version); pass PYTHON=python3.x to make" >&2
    exit 1
}
"$PYTHON" -m venv .venv 2>/dev/null || {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv
        "$PYTHON" -m venv .venv
    else
        echo "set-up: python3-venv is missing; install it (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
}
.venv/bin/pip install --quiet --disable-pip-version-check -e '.[dev]'

# OpenCV's and Open3D's wheels expect a few shared libraries that slim images leave out.
need=""
for pair in libGL.so.1:libgl1 libgomp.so.1:libgomp1 libglib-2.0.so.0:libglib2.0-0 libX11.so.6:libx11-6; do
    library=${pair%%:*}
    .venv/bin/python -c "import ctypes; ctypes.CDLL('$library')" 2>/dev/null || need="$need ${pair##*:}"
done
if [ -n "$need" ]; then
    echo "set-up: missing system libraries, Debian packages:$need"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need
    else
        echo "set-up: install them with your package manager if something fails to load" >&2
    fi
fi
touch .venv/.ready
