"""What single precision does to the state of NHTEBD: the same runs in both precisions, and how far apart they are."""

from __future__ import annotations

import argparse
import warnings

import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models

CASES = (
    (12, 2.0, 64, 1e-14, (5.0, 20.0)),
    (12, 0.5, 64, 1e-14, (20.0,)),
    (40, 2.0, 128, 1e-10, (4.0, 6.0, 8.0)),
)
"""Sites, disorder, bond dimension, cutoff and times."""


def in_double(state: nh.MPS) -> nh.MPS:
    """Return the same state with tensors in double precision, so that overlaps are not rounded once more."""
    return nh.MPS.from_tensors([tensor.astype(complex) for tensor in state.site_tensors()], state.local_sites)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # what truncation does is told
    print("| N, h, χ, cutoff | t | infidelity | ⟨Sz⟩ | log-norm | discarded, double | discarded, single |")
    print("|---|---|---|---|---|---|---|")
    for L, h, chi, cutoff, times in CASES:
        model = models.NonHermitianXXZ(L=L, gamma=0.1, V=1.1, h=h, seed=1)
        runs = (
            algorithms.NHTEBD(
                dt=0.1, t_max=times[-1], every=10, max_bond=chi, cutoff=cutoff, tolerance=None, precision=precision
            ).records(model)
            for precision in ("double", "single")
        )
        for double, single in zip(*runs, strict=True):
            if not any(abs(double.time - time) < 1e-9 for time in times):
                continue
            kets = [in_double(record.state) for record in (single, double)]
            overlap = abs(kets[0].overlap(kets[1])) / (kets[0].norm() * kets[1].norm())
            spins = np.abs(np.subtract(*(record.state.expect_each("Sz") for record in (single, double)))).max()
            print(
                f"| {L}, {h:g}, {chi}, {cutoff:g} | {double.time:g} | {1 - overlap**2:.1e} | {spins:.1e} "
                f"| {abs(single.log_norm - double.log_norm):.1e} | {double.discarded:.3g} | {single.discarded:.3g} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
