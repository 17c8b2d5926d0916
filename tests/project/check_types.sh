#!/bin/sh
# Check the types of the whole package as installed, and of users' scripts with mypy (strict) and pyright, next to a
# wheel and next to an editable installation; and that planted errors are found.
# usage: check_types.sh PYTHON   (an environment with mypy, pyright and build)
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

cat > "$work/physics.py" <<'SCRIPT'
from pathlib import Path

import xarray as xr

import mpsnh as nh
from mpsnh import algorithms, models, observables


class LossyXXZ(models.NonHermitianXXZ):
    loss: float = 0.1

    def terms(self) -> nh.OpSum:
        return super().terms() + nh.OpSum.sum((-1j * self.loss, "Sz", j) for j in range(0, self.L, 2))


class Imbalance(nh.Observable[nh.Snapshot]):
    measures = nh.Snapshot

    def __call__(self, snapshot: nh.Snapshot, model: nh.Model) -> float:
        sz = snapshot.state.expect_each("Sz").real
        return float(sz[::2].mean() - sz[1::2].mean())


evolution = algorithms.NHTEBD(dt="auto", every=0.5, t_max=2.0, initial="neel")
simulation = nh.Simulation(LossyXXZ(L=10, loss=0.3), evolution, {"imbalance": Imbalance()})
data: xr.Dataset = simulation.run(checkpoint=Path("run.npz"))
last: float = data["imbalance"].isel(time=-1).item()


def quench(h: float, seed: int) -> nh.Simulation[nh.Snapshot]:
    chain = models.NonHermitianXXZ(L=8, h=h, seed=seed)
    return nh.Simulation(chain, algorithms.ExactEvolution(dt=0.1, t_max=1.0), {"sz": observables.Magnetization()})


average: xr.Dataset = nh.sweep(quench, over={"h": [1.0, 2.0], "seed": range(4)}, store="study.zarr").mean("seed")
SCRIPT

# What a user has: the package installed in one of the ways, beside what it needs.
check_users() {  # NAME FOLDER
    MYPYPATH="$2" "$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$work/cache-$1" \
        "$work/user.py" "$work/physics.py"
    cat > "$work/pyrightconfig.json" <<CONFIG
{"include": ["user.py", "physics.py"], "extraPaths": ["$2"], "pythonVersion": "3.11", "typeCheckingMode": "standard"}
CONFIG
    "$python" -m pyright --pythonpath "$python" --project "$work/pyrightconfig.json" > "$work/log" || {
        cat "$work/log" >&2
        exit 1
    }
    echo 'size(models.NonHermitianXXZ(L="four"))' >> "$work/user.py"
    for checker in "mypy --config-file $root/pyproject.toml --cache-dir $work/cache-$1 $work/user.py" \
        "pyright --pythonpath $python --project $work/pyrightconfig.json"; do
        # shellcheck disable=SC2086
        if MYPYPATH="$2" "$python" -m $checker > "$work/log"; then
            echo "$checker missed an error that was planted in a user's script ($1)" >&2
            exit 1
        fi
    done
    sed -i.bak '$d' "$work/user.py"
}

cd "$work"
check_users wheel "$work/site"

# An editable installation as type checkers see it: pip, in strict mode, links the files into one folder.
mkdir "$work/source"
cp -R "$root/mpsnh" "$root/models" "$root/algorithms" "$root/observables" "$root/setup.cfg" "$root/pyproject.toml" \
    "$root/README.md" "$root/LICENSE" "$work/source"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-deps --config-settings editable_mode=strict --editable "$work/source"
links=$(cat "$work"/venv/lib/python*/site-packages/__editable__*.pth)
test -e "$links/mpsnh/models/xxz.py"
check_users editable "$links"

cd "$work/site"

echo 'wrong: int = "a planted type error"' >> mpsnh/models/xxz.py
if "$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$work/cache" -p mpsnh > "$work/log"; then
    echo "the type check missed a planted error in mpsnh.models" >&2
    exit 1
fi
grep -q 'models/xxz.py.*Incompatible types in assignment' "$work/log"
echo "types: no error, and the planted one was found"
