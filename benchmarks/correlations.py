"""CPU time of the correlations of all pairs of sites of a matrix-product state, by length and bond dimension."""

from __future__ import annotations

import argparse
import time

import numpy as np

import mpsnh as nh
from mpsnh.states.correlations import correlation_matrix


def random_state(L: int, chi: int) -> nh.MPS:
    """Return a state with random tensors, whose bonds are full."""
    rng = np.random.default_rng(0)
    bonds = [min(chi, 2 ** min(j, L - j)) for j in range(L + 1)]
    tensors = [rng.normal(size=(bonds[j], 2, bonds[j + 1])) + 0j for j in range(L)]
    return nh.MPS.from_tensors(tensors, [nh.Spin(0.5)] * L)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--bonds", type=int, nargs="+", default=[16, 32, 64])
    given = parser.parse_args()
    print("| χ | CPU s |\n|---|---|")
    for chi in given.bonds:
        state = random_state(given.sites, chi)
        begun = time.process_time()
        correlation_matrix(state, "Sp", "Sm")
        print(f"| {chi} | {time.process_time() - begun:.1f} |", flush=True)


if __name__ == "__main__":
    main()
