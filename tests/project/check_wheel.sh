#!/bin/sh
# Build the wheel, install it into a clean environment and use it from outside of the checkout.
# usage: check_wheel.sh PYTHON   (an environment with build)
set -eu
python=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --quiet --wheel --outdir "$work" "$root"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/mpsnh-*.whl
cd "$work"
"$work/venv/bin/python" - "$root" <<'PY'
import pathlib, sys
import mpsnh as nh
from mpsnh import algorithms, models, observables

here, checkout = pathlib.Path(nh.__file__), pathlib.Path(sys.argv[1])
assert checkout not in here.parents, here
for package in (algorithms, models, observables):
    assert here.parent in pathlib.Path(package.__file__).parents, package.__file__
assert (here.parent / "py.typed").exists()
chain = models.NonHermitianXXZ(L=8, h=1.0)
data = nh.Simulation(chain, algorithms.NHTEBD(dt=0.1, t_max=0.5), {"j": observables.MidCurrent(half_width=2)}).run()
assert data.sizes["time"] == 6
print("wheel:", nh.__version__, "works from", here.parent.name, "outside of the checkout")
PY
"$work/venv/bin/mpsnh" reproduce --help > /dev/null
