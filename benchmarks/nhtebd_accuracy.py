"""Truncation error of NHTEBD at small bond dimension, next to that of other libraries.

The quench of `peers.py`: open non-Hermitian XXZ chain, Néel state, second-order steps.
Each route is compared with the untruncated dense state of its own Trotter splitting, so that only truncation counts.
The table gives, for every bond dimension χ, the geometric mean of the infidelity over the realisations and the
root mean square of the errors of the middle bond's current (as the library reports it) and of the log-norm.

With ``--large``, NHTEBD is compared with itself on a chain that no dense vector holds: how much fidelity projections
(`excess` > 0) cost next to singular value decompositions (`excess` = 0) at the same bond dimension.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mpsnh import MPS, algorithms, models
from tests.support import peers

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


EXCESS = (0.0, 0.1, 1.0)
"""The first is a plain truncation, the second the default, the third the most that is allowed."""


def large(model: models.NonHermitianXXZ, final: float, chis: Sequence[int]) -> NDArray[np.float64]:
    """Return infidelity and CPU seconds for each bond dimension and excess, against a run with bonds of 320."""

    def evolved(max_bond: int, excess: float, cutoff: float = 1e-14) -> tuple[MPS, float]:
        begin = time.process_time()
        algorithm = algorithms.NHTEBD(
            dt=0.1, t_max=final, every=round(final / 0.1), max_bond=max_bond, cutoff=cutoff, excess=excess
        )
        *_, last = algorithm.records(model)
        assert isinstance(last.state, MPS)
        return last.state, time.process_time() - begin

    reference, _ = evolved(320, 0.0, 1e-15)
    runs = [[evolved(chi, excess) for excess in EXCESS] for chi in chis]
    return np.array([[(1 - abs(state.overlap(reference)) ** 2, spent) for state, spent in row] for row in runs])


def print_large(given: argparse.Namespace) -> None:
    """Measure and print the table of `--large`."""
    realisations = [
        models.NonHermitianXXZ(L=given.sites, gamma=given.gamma, V=1.1, h=given.disorder, seed=seed)
        for seed in given.seeds
    ]
    found = np.array([large(model, given.time, given.chi) for model in realisations])  # seed, χ, excess, quantity
    ratios = found[..., 0] / found[..., :1, 0]
    print(f"N = {given.sites}, γ = {given.gamma:g}, V = 1.1, h = {given.disorder:g}, t = {given.time:g}, dt = 0.1;")
    print(f"{len(found)} realisations; mpsnh {importlib.metadata.version('mpsnh')}, numpy {np.__version__}\n")
    print("| χ | excess | infidelity | / that of excess 0 (mean) | (worst realisation) | CPU, s |")
    print("|---|---|---|---|---|---|")
    for i, chi in enumerate(given.chi):
        for k, excess in enumerate(EXCESS):
            infidelity, mean = (np.exp(np.log(values[:, i, k]).mean()) for values in (found[..., 0], ratios))
            numbers = f"{infidelity:.3e} | {mean:.3f} | {ratios[:, i, k].max():.3f} | {found[:, i, k, 1].mean():.2f}"
            print(f"| {chi} | {excess:g} | {numbers} |")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="compare projections with decompositions, N = 40")
    parser.add_argument("--seeds", type=int, nargs="+", help="realisations (default: 0 … 7; large: 0 … 3)")
    parser.add_argument("--chi", type=int, nargs="+", help="bond dimensions (default: 8 16 24; large: 32 64 128)")
    parser.add_argument("--sites", type=int, help="number of sites, even (default: 12; large: 40)")
    parser.add_argument("--gamma", type=float, default=0.1, help="asymmetry of the hopping (default: 0.1)")
    parser.add_argument("--disorder", type=float, default=2.0, help="disorder strength h (default: 2)")
    parser.add_argument("--time", type=float, default=5.0, help="final time, in steps of 0.1 (default: 5)")
    given = parser.parse_args()
    defaults = ((32, 64, 128), range(4), 40) if given.large else ((8, 16, 24), range(8), 12)
    for name, default in zip(("chi", "seeds", "sites"), defaults, strict=True):
        setattr(given, name, getattr(given, name) or default)
    if given.large:
        print_large(given)
        return
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
