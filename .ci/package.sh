#!/usr/bin/env bash
# Builds the wheel and the source archive into dist/, installs each into an environment of its own, and tries it there.
# The wheel is tried on every Python of PYTHONS that this machine has.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$PWD/.tools/bin/uv
here=$PWD

if command -v pyenv >/dev/null; then  # it hides the versions that are not chosen
    PYENV_VERSION=$(pyenv versions --bare | paste -s -d :)
    export PYENV_VERSION
fi

rm -rf dist
"$uv" build --quiet
wheel=$(ls "$here"/dist/*.whl) archive=$(ls "$here"/dist/*.tar.gz)
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT

cat >"$where/look.py" <<'END'
import email
import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
[described] = [name for name in names if name.endswith("METADATA")]
metadata = email.message_from_bytes(zipfile.ZipFile(sys.argv[1]).read(described))
assert "gnode/py.typed" in names
assert all(name.startswith(("gnode/", "gnode-")) for name in names), "more than the package"
assert metadata["Description-Content-Type"] == "text/markdown" and metadata.get_payload().startswith("# gnode")
END
cat >"$where/smoke.py" <<'END'
from importlib.metadata import version
from importlib.resources import files

import numpy as np

import gnode

assert gnode.__version__ == version("gnode") and files("gnode").joinpath("py.typed").is_file()
assert "site-packages" in gnode.__file__, gnode.__file__
outputs = gnode.load("run")(np.zeros((3, 5, 2)))
assert outputs.shape == (3, 5, 2)
END

attempt() { # Python, file
    rm -rf "$where/venv" "$where/empty"
    mkdir "$where/empty"
    "$uv" venv --quiet --python "$1" "$where/venv"
    "$uv" pip install --quiet --python "$where/venv" "$2"
    (
        cd "$where/empty"
        gnode=$where/venv/bin/gnode
        "$gnode" --version
        "$gnode" list models >/dev/null
        "$gnode" train ring --hidden 8 --epochs 1 --set train_trials=20 --out run 2>/dev/null >/dev/null
        "$gnode" export run --to numpy --out net.py >/dev/null
        "$where/venv/bin/python" "$where/smoke.py"
    )
    echo "Python $("$where/venv/bin/python" -c 'import platform; print(platform.python_version())'): $(basename "$2") installs and runs"
}

first=
for version in ${PYTHONS:-3.11 3.12 3.13}; do
    if python=$("$uv" python find --no-python-downloads "$version" 2>/dev/null); then
        [ "$first" ] || { "$python" "$where/look.py" "$wheel"; attempt "$python" "$archive"; }
        first=$python
        attempt "$python" "$wheel"
    else
        echo "Python $version: not here, not tried"
    fi
done
[ "$first" ] || { echo "Must have one of the Pythons, instead got none."; exit 1; }
