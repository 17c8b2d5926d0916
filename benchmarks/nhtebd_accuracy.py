"""Truncation error of NHTEBD at small bond dimension, next to that of other libraries.

The quench of `peers.py`: open non-Hermitian XXZ chain, Néel state, second-order steps.
Each route is compared with the untruncated dense state of its own Trotter splitting, so that only truncation counts.
The table gives, for every bond dimension χ, the geometric mean of the infidelity over the realisations and the
root mean square of the errors of the middle bond's current (as the library reports it) and of the log-norm.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import peers
from numpy.typing import NDArray

from mpsnh import models

ROUTES: dict[str, tuple[Callable[[peers.Quench], peers.Outcome], Callable[[peers.Quench], peers.Outcome]]] = {
    "mpsnh NHTEBD": (peers.nhtebd, peers.dense_brickwork),
    "TeNPy update_imag": (peers.tenpy_update_imag, peers.dense_sweeps),
    "quimb, moving centre": (peers.quimb_moving_centre, peers.dense_brickwork),
    "*wrong:* TeNPy evolve": (peers.tenpy_evolve, peers.dense_brickwork),
    "*wrong:* quimb TEBD.step": (peers.quimb_tebd_step, peers.dense_brickwork),
}
"""Each route and the dense reference with the same splitting."""


def errors(quench: peers.Quench, chis: Sequence[int]) -> NDArray[np.float64]:
    """Return infidelity, error of the current and of the log-norm for each bond dimension and route."""
    references = {reference: reference(quench) for _, reference in ROUTES.values()}

    def row(chi: int) -> Iterator[tuple[float, float, float]]:
        for route, reference in ROUTES.values():
            found, expected = route(replace(quench, max_bond=chi)), references[reference]
            yield (
                peers.infidelity(found, expected),
                found.current - expected.current,
                found.log_norm - expected.log_norm,
            )

    return np.array([list(row(chi)) for chi in chis])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(8), help="realisations (default: 0 … 7)")
    parser.add_argument("--chi", type=int, nargs="+", default=[8, 16, 24], help="bond dimensions (default: 8 16 24)")
    parser.add_argument("--sites", type=int, default=12, help="number of sites, even (default: 12)")
    parser.add_argument("--gamma", type=float, default=0.1, help="asymmetry of the hopping (default: 0.1)")
    parser.add_argument("--disorder", type=float, default=2.0, help="disorder strength h (default: 2)")
    parser.add_argument("--time", type=float, default=5.0, help="final time, in steps of 0.1 (default: 5)")
    given = parser.parse_args()
    measured = []
    for seed in given.seeds:
        model = models.NonHermitianXXZ(L=given.sites, gamma=given.gamma, V=1.1, h=given.disorder, seed=seed)
        measured.append(errors(peers.Quench(model, steps=round(given.time / 0.1)), given.chi))
    found = np.array(measured)  # seed, χ, route, quantity
    infidelity = np.exp(np.log(found[..., 0]).mean(axis=0))
    current, log_norm = np.sqrt((found[..., 1:] ** 2).mean(axis=0)).transpose(2, 0, 1)
    worst = (found[..., :1, 0] / found[..., 0]).max(axis=0)

    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("mpsnh", "physics-tenpy", "quimb"))
    print(f"N = {given.sites}, γ = {given.gamma:g}, V = 1.1, h = {given.disorder:g}, t = {given.time:g}, dt = 0.1;")
    print(f"{len(found)} realisations; {versions}, numpy {np.__version__}\n")
    print("| χ | route | infidelity | current | log-norm | mpsnh / this (mean) | (worst realisation) |")
    print("|---|---|---|---|---|---|---|")
    for i, chi in enumerate(given.chi):
        for k, name in enumerate(ROUTES):
            numbers = f"{infidelity[i, k]:.2e} | {current[i, k]:.1e} | {log_norm[i, k]:.1e}"
            print(f"| {chi} | {name} | {numbers} | {infidelity[i, 0] / infidelity[i, k]:.3f} | {worst[i, k]:.3f} |")


if __name__ == "__main__":
    main()
