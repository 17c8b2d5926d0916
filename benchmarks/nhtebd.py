"""Time of NHTEBD next to TeNPy and quimb on evolved states whose bonds are full, at the same truncation error.

One thread, CPU seconds, everything in one process. For each bond dimension χ, NHTEBD evolves the Néel state of the open
chain until the bonds of the middle half of it are full. From this state all contestants go on by turns, an interval of
second-order steps each: NHTEBD through the function that makes its records, the others through their own interfaces
(`peers.py`). The fastest interval of each counts.

A *step* is what it is in the middle of an evolution: one layer on the odd bonds and one on the even bonds, in which the
halves of neighbouring steps are merged. An interval of n steps takes 2n + 1 layers, which NHTEBD and quimb merge alike,
so that its time is divided by n + 1/2, with what a record costs included. TeNPy's `update_imag` sweeps to the right and
back over all bonds, where nothing can be merged: its time is divided by n.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import quimb.tensor as qtn
import scipy.linalg
import threadpoolctl
from numpy.typing import NDArray

from mpsnh import MPS, Layer, Snapshot, algorithms, models
from mpsnh.language.circuit import Gate, repeated
from mpsnh.states.symmetric import SymmetricMPS, from_blocks
from mpsnh.states.truncation import Truncation
from tests.support import peers

DENSE = 128
"""Largest bond dimension for quimb without conserved charge."""

PAPER = {"N": 560, "chi": 768, "time": 280.0}
"""The largest run of Brighi et al. 2025."""

STARTUP = """
import time
from mpsnh import algorithms, models
imported = time.process_time()
chain = models.NonHermitianXXZ(L=8, gamma=0.1, h=2.0)
list(algorithms.NHTEBD(dt=0.1, t_max=0.1, max_bond=8).records(chain))
print(imported, time.process_time() - imported)
"""


class Contestant(NamedTuple):
    """A route that goes on from where it is."""

    advance: Callable[[], object]
    """Takes an interval."""
    steps: float
    """How many steps that is."""
    state: Callable[[], MPS]
    discarded: Callable[[], float]
    """Weight discarded so far; nan if the library does not say."""
    sweeps: bool
    """Whether the splitting is that of sweeps over all bonds."""


def ours(quench: peers.Quench, start: Snapshot, **options: Any) -> Contestant:
    """Return NHTEBD with these options."""
    algorithm = algorithms.NHTEBD(
        dt=quench.dt,
        t_max=quench.dt,
        max_bond=quench.max_bond,
        cutoff=quench.cutoff,
        tolerance=None,
        **options,
    )
    carry = algorithm.init(quench.model, start)
    return Contestant(
        lambda: algorithm.advance(carry, start.time, quench.dt, quench.steps),
        quench.steps + 0.5,
        lambda: algorithm.record(carry, start.time).state,
        lambda: carry.discarded - start.discarded,
        False,
    )


def tenpy(quench: peers.Quench, start: Snapshot) -> Contestant:
    """Return TeNPy's `update_imag`, without the canonical form that it needs before anything is measured."""
    engine = peers.tenpy_engine(quench, start.state)
    return Contestant(
        lambda: engine.update_imag(quench.steps, call_canonical_form=False),
        quench.steps,
        lambda: peers.from_tenpy(engine.psi, quench.model.sites),
        lambda: engine.trunc_err.eps,
        True,
    )


def quimb(quench: peers.Quench, start: Snapshot, symmetric: bool) -> Contestant:
    """Return quimb with a moving centre, on arrays of symmray or dense ones."""
    sites = quench.model.sites
    dense = MPS.from_tensors(start.state.site_tensors(), sites)
    psi = qtn.MatrixProductState(start.state) if symmetric else dense.to_quimb()
    centre = start.state.canonical_centre
    info = {"cur_orthog": (centre, centre)}
    layers = peers.quimb_layers(repeated(quench.model.step(quench.dt, 2), quench.steps), sites if symmetric else ())
    return Contestant(
        lambda: peers.quimb_sweeps(psi, info, layers, quench),
        quench.steps + 0.5,
        lambda: SymmetricMPS.from_TN(psi, like=start.state) if symmetric else MPS.from_quimb(psi, sites),
        lambda: np.nan,
        False,
    )


def contestants(quench: peers.Quench, start: Snapshot) -> dict[str, Contestant]:
    """Return all that take part, NHTEBD first."""
    found = {
        "mpsnh NHTEBD": ours(quench, start),
        "mpsnh, excess = 0": ours(quench, start, excess=0.0),
        "mpsnh, single precision": ours(quench, start, precision="single"),
        "TeNPy update_imag": tenpy(quench, start),
        "quimb and symmray": quimb(quench, start, symmetric=True),
    }
    if quench.max_bond <= DENSE:
        found["quimb, dense"] = quimb(quench, start, symmetric=False)
    return found


def grown(model: models.NonHermitianXXZ, dt: float, chi: int, folder: Path | None) -> Snapshot:
    """Return the state twenty steps after the bonds of the middle half have become full."""
    algorithm = algorithms.NHTEBD(dt=dt, t_max=1000 * dt, every=5, max_bond=chi)
    file = None if folder is None else folder / f"nhtebd_{model.L}_{model.seed}_{chi}.npz"
    if file is not None and file.exists():
        with np.load(file) as arrays:
            return next(algorithm.records(model)).with_arrays(arrays)
    records = algorithm.records(model)
    for record in records:
        middle = range(model.L // 4, 3 * model.L // 4 - 1)
        if all(record.state.bond_size(j, j + 1) == chi for j in middle):
            break
    else:
        raise RuntimeError(f"the bonds have not grown to {chi}")
    *_, record = itertools.islice(records, 4)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **dict(record.arrays()))
    return record


def reference(quench: peers.Quench, start: Snapshot, layers: Sequence[Layer]) -> MPS:
    """Return the state after these layers with a larger bond dimension."""
    workspace = start.state.workspace(quench.max_bond)
    for layer in layers:
        workspace.apply(layer, Truncation(max_bond=workspace.max_bond, cutoff=1e-14))
    return from_blocks(workspace.view(), quench.model.sites, (workspace.centre, workspace.centre + 1))


def references(quench: peers.Quench, start: Snapshot) -> dict[bool, MPS]:
    """Return the references after one interval, of brickwork and of sweeps."""
    brickwork = repeated(quench.model.step(quench.dt, 2), quench.steps)
    gates = [(Gate(scipy.linalg.expm(-0.5j * quench.dt * h), (j, j + 1)),) for j, h in enumerate(quench.bonds())]
    sweeps = (gates + gates[::-1]) * quench.steps
    return {False: reference(quench, start, brickwork), True: reference(quench, start, sweeps)}


def infidelity(state: MPS, other: MPS) -> float:
    """Return 1 - |⟨a|b⟩|² of the normalised states."""
    a, b = (
        from_blocks(
            [{key: block.astype(complex) for key, block in site.items()} for site in each.blocks()[0]],
            other.local_sites,
            (0, other.L),
        )
        for each in (state, other)
    )
    return 1 - abs(a.overlap(b)) ** 2 / abs(a.overlap(a) * b.overlap(b))


def flops(state: MPS) -> NDArray[np.float64]:
    """Return the operations of the products of matrices that a step cannot do without, for each bond.

    For a gate on a block of p rows and n columns whose bond has dimension m, 3 p n m multiplications: the contraction
    of the pair, its product with the old subspace, and with the new one. For the centre's move over this bond, the
    product of the triangular factor with the next tensor: m² n/2 on one way, m² p/2 on the other. One complex
    multiplication and addition are 8 operations. QR, the gate itself and all decompositions are left out.
    """
    blocks = state.blocks()[0]
    count = np.zeros(len(blocks) - 1)
    for j, (left, right) in enumerate(itertools.pairwise(blocks)):
        for charge in {q for q, _ in right}:
            near = [block.shape for (q, c), block in left.items() if q + c == charge]
            far = [block.shape for (q, _), block in right.items() if q == charge]
            m, p, n = near[0][2], sum(a * d for a, d, _ in near), sum(d * b for _, d, b in far)
            count[j] += 8 * (3 * p * n * m + m * m * (p + n) / 4)
    return count


def rate(n: int = 768) -> float:
    """Return the operations per second of BLAS for large complex matrices."""
    real, imaginary = np.random.default_rng(0).normal(size=(2, n, n))
    x = np.asfortranarray(real + 1j * imaginary)
    seconds = min(timed(lambda: scipy.linalg.blas.zgemm(1.0, x, x)) for _ in range(7))
    return 8 * n**3 / seconds


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


class Measured(NamedTuple):
    """Of one bond dimension."""

    chi: int
    seconds: dict[str, float]
    """Per step, for each contestant."""
    flops: NDArray[np.float64]
    """Per step, for each bond."""


def race(quench: peers.Quench, start: Snapshot, intervals: int, largest: int) -> Measured:
    """Let all contestants take some intervals by turns, and print what they need, and what they lose in the first."""
    found = contestants(quench, start)
    chi, larger = quench.max_bond, min(2 * quench.max_bond, largest)
    exact = references(replace(quench, max_bond=larger), start) if larger > chi else {}
    errors = dict.fromkeys(found, np.nan)
    discarded = dict.fromkeys(found, np.nan)
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for number in range(intervals):
        for name, each in found.items():
            seconds[name].append(timed(each.advance) / each.steps)
            if number == 0:
                discarded[name] = each.discarded() / quench.steps
            if number == 0 and exact:
                errors[name] = infidelity(each.state(), exact[each.sweeps])
    best = {name: min(each) for name, each in seconds.items()}
    first = "mpsnh NHTEBD"
    for name in found:
        numbers = [milliseconds(best[name]), f"{best[name] / best[first]:.2f}", f"{discarded[name]:.2e}"]
        numbers += [f"{errors[name]:.2e}", f"{errors[first] / errors[name]:.2f}"]
        print(f"| {chi} | {name} | " + " | ".join(numbers).replace("nan", "–") + " |", flush=True)
    return Measured(chi, best, flops(start.state))


def summary(found: Sequence[Measured], speed: float) -> None:
    """Print the ratios to the peers and the share of what BLAS needs at least."""
    print("\n| χ | mpsnh, ms a step | TeNPy / mpsnh | best peer / mpsnh | which | products alone, ms | share |")
    print("|---|---|---|---|---|---|---|")
    for chi, seconds, operations in found:
        peer = min((name for name in seconds if not name.startswith("mpsnh")), key=seconds.__getitem__)
        own, bound = seconds["mpsnh NHTEBD"], operations.sum() / speed
        ratios = f"{seconds['TeNPy update_imag'] / own:.1f} | {seconds[peer] / own:.1f}"
        print(f"| {chi} | {milliseconds(own)} | {ratios} | {peer} | {milliseconds(bound)} | {bound / own:.0%} |")


def model_of_cost(found: Sequence[Measured], dt: float) -> None:
    """Fit the time of a full bond over the largest sizes, and say what the paper's run would take."""
    chis = np.array([each.chi for each in found])
    # Towards the ends bonds are smaller: they count as much as their products.
    full = np.array([each.flops.sum() / np.median(np.sort(each.flops)[-10:]) for each in found])
    times = np.array([each.seconds["mpsnh NHTEBD"] for each in found]) / full
    print("\n| χ | full bonds that a step is worth | ms a step and full bond |\n|---|---|---|")
    for chi, number, each in zip(chis, full, times, strict=True):
        print(f"| {chi} | {number:.1f} | {milliseconds(each)} |")
    if len(found) < 2:
        return
    power, logarithm = np.polyfit(np.log(chis[-3:]), np.log(times[-3:]), 1)
    bond = np.exp(logarithm) * PAPER["chi"] ** power
    hours = bond * (PAPER["N"] - 1) * PAPER["time"] / dt / 3600
    print(f"\nOver the last {min(3, len(found))} sizes, a step takes {1e3 * np.exp(logarithm):.3g} ms · χ^{power:.2f} ")
    print(f"per full bond; N = {PAPER['N']:.0f}, χ = {PAPER['chi']:.0f}, t = {PAPER['time']:g}, dt = {dt:g}: ")
    print(f"{hours:.0f} hours on one core if all bonds are full from the beginning.")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bonds", type=int, nargs="+", default=[32, 64, 128, 256, 512], help="bond dimensions χ")
    parser.add_argument("--sites", type=int, default=40, help="number of sites, a multiple of 4 (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="realisation (default: 0)")
    parser.add_argument("--reference", type=int, default=768, help="largest χ of a reference, else 2χ (default: 768)")
    parser.add_argument("--states", type=Path, help="folder in which evolved states are kept")
    given = parser.parse_args()
    bonds = sorted(given.bonds)
    model = models.NonHermitianXXZ(L=given.sites, gamma=0.1, V=1.1, h=2.0, seed=given.seed)
    subprocess.run([sys.executable, "-c", STARTUP], check=True, capture_output=True)  # compiles
    begun = subprocess.run([sys.executable, "-c", STARTUP], check=True, capture_output=True, text=True)
    imported, called = map(float, begun.stdout.split())
    with threadpoolctl.threadpool_limits(1):
        speed = rate()
        names = ("mpsnh", "physics-tenpy", "quimb", "symmray", "numpy", "scipy")
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
        print(f"{versions}; {platform.machine()}, zgemm {speed / 1e9:.0f} Gflop/s")
        print(f"N = {model.L}, γ = {model.gamma:g}, V = {model.V:g}, h = {model.h:g}, seed {model.seed}, dt = 0.1")
        print(f"A process imports mpsnh in {imported:.2f} s, and makes its first step in {called:.2f} s\n")
        print("| χ | route | ms a step | time / mpsnh | discarded a step | infidelity | mpsnh / this |")
        print("|---|---|---|---|---|---|---|", flush=True)
        found = []
        for chi in bonds:
            quench = peers.Quench(model, dt=0.1, steps=10 if chi <= 128 else 5, max_bond=chi)
            start = grown(model, quench.dt, chi, given.states)
            found.append(race(quench, start, max(2, min(5, 512 // chi)), given.reference))
        summary(found, speed)
        model_of_cost(found, 0.1)


if __name__ == "__main__":
    main()
