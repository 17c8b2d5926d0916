"""Peak memory of an evolution of a long chain at large bond dimension, with checkpoints.

The state is random, with charges spread over each bond as in an evolved one, so that its bonds are full from the
beginning. One step is made with a checkpoint after it, as `Simulation.run` does.
"""

from __future__ import annotations

import argparse
import itertools
import math
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

import mpsnh as nh
from mpsnh import algorithms, models, observables
from mpsnh.states.blocks import Blocks
from mpsnh.states.symmetric import from_blocks

SMALL, SMALL_BOND, LATE = 40, 96, 8.0
"""Chain, bond dimension and time of the evolved state that says how charges are spread."""


def peak() -> float:
    """Return the largest memory of this process so far, in GB (10⁹ bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def chain(L: int) -> models.NonHermitianXXZ:
    return models.NonHermitianXXZ(L=L, gamma=0.1, V=1.1, h=2.0, seed=0)


def spread() -> list[dict[int, float]]:
    """Return the fraction of a bond's dimension that each charge has, for a bond after an even and an odd number."""
    algorithm = algorithms.NHTEBD(dt=0.1, t_max=LATE, every=10, max_bond=SMALL_BOND)
    *_, last = algorithm.records(chain(SMALL))
    blocks, _ = last.state.blocks()
    found = []
    for site in blocks[SMALL // 2 : SMALL // 2 + 2]:
        sizes = {q: block.shape[0] for (q, _), block in site.items()}
        found.append({q: n / sum(sizes.values()) for q, n in sizes.items()})
    return found


def filled(model: models.NonHermitianXXZ, chi: int, fractions: list[dict[int, float]]) -> nh.MPS:
    """Return a random state whose bonds have about the dimension χ, in one piece of memory."""
    L, rng = model.L, np.random.default_rng(0)
    bonds = []
    for j in range(L + 1):
        near = min(j, L - j)
        ways = {2 * k - near: math.comb(near, k) for k in range(near + 1)}
        large = {q: max(1, round(x * chi)) for q, x in fractions[j % 2].items()}
        bonds.append(ways if near < 60 and sum(ways.values()) < chi else large)
    shapes = [
        {(q, c): (a, right[q + c]) for q, a in left.items() for c in (1, -1) if q + c in right}
        for left, right in itertools.pairwise(bonds)
    ]
    memory, used = np.zeros(sum(a * b for site in shapes for a, b in site.values()), dtype=complex), 0
    blocks: list[Blocks] = []
    for site in shapes:
        found = Blocks()
        for key, (a, b) in site.items():
            block = memory[used : used + a * b].reshape(a, 1, b)
            block[...] = rng.normal(scale=(a * b) ** -0.5, size=block.shape)
            found[key] = block
            used += a * b
        blocks.append(found)
    return from_blocks(blocks, model.sites, (0, L))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=560)
    parser.add_argument("--chi", type=int, default=768)
    options = parser.parse_args()
    fractions, model = spread(), chain(options.sites)
    state = filled(model, options.chi, fractions)
    size = sum(block.nbytes for site in state.blocks()[0] for block in site.values())
    chi = state.max_bond()
    print(f"{options.sites} sites, χ = {chi}: tensors of {size / 1e9:.2f} GB; so far {peak():.2f} GB")
    del state
    algorithm = algorithms.NHTEBD(
        dt=0.1, t_max=0.1, max_bond=chi, cutoff=0.0, initial=lambda model: filled(model, options.chi, fractions)
    )
    print(f"NHTEBD.bytes_needed says at most {algorithm.bytes_needed(model) / 1e9:.2f} GB")
    simulation = nh.Simulation(model, algorithm, {"current": observables.MidCurrent(half_width=options.sites // 4)})
    with tempfile.TemporaryDirectory() as folder:
        place, begun, spent = Path(folder) / "run.npz", time.perf_counter(), time.process_time()
        data = simulation.run(checkpoint=place, checkpoint_every=0.0)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
        written = place.stat().st_size
    print(f"one step and two checkpoints of {written / 1e9:.2f} GB: {cpu:.0f} CPU s ({seconds:.0f} s)")
    print(f"bond dimension {int(data['max_bond'][-1])}, peak memory {peak():.2f} GB")


if __name__ == "__main__":
    main()
