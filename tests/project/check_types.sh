#!/bin/sh
# Check the types of the whole package as installed, and that a planted error is found.
# usage: check_types.sh PYTHON   (an environment with mypy and build)
set -eu
python=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --quiet --wheel --outdir "$work" "$root"
"$python" -m pip install --quiet --no-deps --target "$work/site" "$work"/mpsnh-*.whl
cd "$work/site"
"$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$work/cache" -p mpsnh

echo 'wrong: int = "a planted type error"' >> mpsnh/models/xxz.py
if "$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$work/cache" -p mpsnh > "$work/log"; then
    echo "the type check missed a planted error in mpsnh.models" >&2
    exit 1
fi
grep -q 'models/xxz.py.*Incompatible types in assignment' "$work/log"
echo "types: no error, and the planted one was found"
