#!/bin/sh
# Run the tests with the oldest versions that setup.cfg allows.
# usage: check_oldest.sh PYTHON
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$1" -m venv "$work/venv"
"$work/venv/bin/python" - "$root/setup.cfg" > "$work/oldest.txt" <<'PY'
import configparser, sys
config = configparser.ConfigParser()
config.read(sys.argv[1])
extras = config["options.extras_require"]
required = [config["options"]["install_requires"], *(extras[name] for name in ("plot", "store", "cli", "dask", "test"))]
lines = [line for part in required for line in part.splitlines() if not line.startswith("mpsnh[")]
print("\n".join(lines).replace(">=", "=="))
PY
"$work/venv/bin/python" -m pip install --quiet -r "$work/oldest.txt"
"$work/venv/bin/python" -m pip install --quiet --no-deps --editable "$root"
cd "$root"
OPENBLAS_NUM_THREADS=1 "$work/venv/bin/python" -m pytest --numprocesses auto -W default
