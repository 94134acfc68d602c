#!/usr/bin/env bash
# The one command: sets up .venv on first use, then runs the pipeline. ./run.sh --help says what there is.
#
#   PYTHON=python3 ./run.sh tgs    uses that interpreter as it is and installs nothing (Kaggle, Colab, conda)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv

fail() { echo "error: $*" >&2; exit 2; }

# the machine's own Python where the pinned packages support it, otherwise another that is there
find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    local found
    found=$(python3 --version 2>/dev/null || echo "no Python 3")
    fail "this needs Python 3.11, 3.12 or 3.13 with venv, and here is $found; install one (Debian: apt install" \
         "python3-venv), or use an interpreter that has the packages: PYTHON=/path/to/python ./run.sh"
}

# install NAME FILE: once for each content of FILE; the stamp is written last, so an interrupted install is repeated
install() {
    local stamp=$venv/.installed-$1 wanted gpu=no
    if [ "$1" = main ] && command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then gpu=yes; fi
    wanted="GPU: $gpu
$(cat "$2")"
    if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$wanted" ]; then return; fi
    can_write "$venv"
    echo "installing $(basename "$2") into .venv (once; a few minutes) …" >&2
    rm -f "$stamp"
    local file=$2
    if [ "$gpu" = yes ]; then
        file=$venv/requirements-gpu.txt
        sed 's/^tensorflow==/tensorflow[and-cuda]==/' "$2" >"$file"
    fi
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r "$file" ||
        fail "the installation failed (see above); with a network, the same command goes on from there"
    printf '%s' "$wanted" >"$stamp"
}

# can_write FOLDER: with a way on where it is not so
can_write() {
    [ -w "$1" ] || fail "cannot write in $1; copy the checkout to a folder of your own, or use an interpreter that" \
        "has the packages: PYTHON=/path/to/python ./run.sh"
}

# what somebody else put there is not ours to remove; .begun: ours, interrupted while it was made
is_foreign() {
    [ -e "$venv" ] && [ ! -f "$venv/.made" ] && [ ! -f "$venv/.begun" ] && [ -n "$(ls -A "$venv")" ]
}

set_up() {
    if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null || [ ! -f "$venv/.made" ]; then
        if is_foreign; then
            fail "$venv was not made by run.sh: move it away to have one made, or use it as it is:" \
                "PYTHON=$venv/bin/python ./run.sh"
        fi
        can_write "$here"
        local base
        base=$(find_python)
        echo "making .venv with $("$base" --version) …" >&2
        rm -rf "$venv"
        mkdir "$venv" && touch "$venv/.begun" || fail "cannot make $venv; is there room on the disk?"
        "$base" -m venv "$venv" || fail "$base cannot make a virtual environment (Debian: apt install python3-venv)"
        touch "$venv/.made"
    fi
    install main "$here/requirements.txt"
}

if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null || fail "PYTHON is '$PYTHON', which cannot be found"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null ||
        fail "PYTHON is $("$PYTHON" --version 2>&1); this needs Python 3.11 or later"
    python=$PYTHON
else
    set_up
    python=$venv/bin/python
fi

export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH}
if [ "${1:-}" = test ]; then
    shift
    [ -n "${PYTHON:-}" ] || install dev "$here/requirements-dev.txt"
    cd "$here"
    if [ "${1:-}" = fast ]; then shift && set -- -m "not slow" "$@"; fi
    # on all cores where pytest-xdist is installed, which it need not be in an interpreter of one's own
    if "$python" -P -c 'import xdist' 2>/dev/null; then set -- -n auto --dist worksteal "$@"; fi
    exec "$python" -P -m pytest "$@"
fi
# -P: no file of the folder one stands in is taken for a module of ours
exec "$python" -P -m pipeline "$@"
