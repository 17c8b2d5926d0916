#!/bin/sh
# Check the types of the whole package as installed and of a user's script, and that a planted error is found.
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

cat > "$work/user.py" <<'SCRIPT'
import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables


def realisation(h: float, seed: int) -> nh.Simulation[nh.Spectrum]:
    model = models.NonHermitianXXZ(L=4, h=h, seed=seed, fields=[0.1j, 0, 0, 0])
    return nh.Simulation(model, algorithms.ExactDiag(), {"gap": observables.SteadyStateGap()})


nh.sweep(realisation, {"h": np.linspace(0, 1, 3), "seed": np.arange(3)})
algorithms.NHTEBD(dt=0.1, t_max=1.0, initial=["up", "down", "up", "down"])
several: list[nh.Observable[nh.Spectrum]] = [observables.GapRatio(), observables.SteadyStateGap()]
measured: dict[str, nh.Observable[nh.Spectrum]] = {"ratio": observables.GapRatio(), "gap": observables.SteadyStateGap()}
nh.Simulation(models.NonHermitianXXZ(L=4), algorithms.ExactDiag(), measured)


def size(state: nh.Pure) -> float:
    return state.norm()


size(nh.MPS.product([nh.Spin(0.5)] * 2, ["up", "up"]))
half = nh.OpSum([(1.0, "Sz", 0)]) / 2 - (0.5, "Sz", 1)
total = sum([half, half], nh.OpSum()) + sum(nh.OpSum((1.0, "Sz", j)) for j in range(3))
SCRIPT
"$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$work/cache" "$work/user.py"

echo 'wrong: int = "a planted type error"' >> mpsnh/models/xxz.py
if "$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$work/cache" -p mpsnh > "$work/log"; then
    echo "the type check missed a planted error in mpsnh.models" >&2
    exit 1
fi
grep -q 'models/xxz.py.*Incompatible types in assignment' "$work/log"
echo "types: no error, and the planted one was found"
