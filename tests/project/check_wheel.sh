#!/bin/sh
# Build an sdist, and from it alone a wheel; install that into a clean environment and use it from outside of the checkout:
# first by itself, then with all extras.
# usage: check_wheel.sh PYTHON   (an environment with build)
set -eu
python=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --quiet --outdir "$work" "$root"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/mpsnh-*.whl
cd "$work"
"$work/venv/bin/python" - "$root" <<'PY'
import importlib.util, pathlib, sys
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
for extra in ("matplotlib", "zarr", "filelock", "numcodecs", "typer", "distributed"):
    assert importlib.util.find_spec(extra) is None, extra
print("wheel:", nh.__version__, "works from", here.parent.name, "outside of the checkout")
PY
said=$("$work/venv/bin/mpsnh" 2>&1 || true)
test "$said" = 'this needs typer, which is not installed: pip install "mpsnh[cli]"'

"$work/venv/bin/python" -m pip install --quiet "$(echo "$work"/mpsnh-*.whl)[all]"
"$work/venv/bin/mpsnh" reproduce --help > /dev/null
"$work/venv/bin/python" - <<'PY'
import mpsnh as nh
import mpsnh.picture
import xarray as xr
from mpsnh import algorithms, models, observables


def one(h):
    chain = models.NonHermitianXXZ(L=4, h=h, boundary="periodic")
    return nh.Simulation(chain, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})


nh.sweep(one, {"h": [0.5, 1.0]}, store="gap.zarr", progress=False)
assert xr.open_zarr("gap.zarr", consolidated=False)["gap"].notnull().all()
PY
"$work/venv/bin/mpsnh" show gap.zarr > /dev/null
test -s gap.png
echo "wheel: with all extras it keeps a store, which plain xarray reads, and draws it"
