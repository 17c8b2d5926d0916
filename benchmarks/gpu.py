"""Time of NHTEBD's steps on a GPU next to one core, from the same evolved states, and of a long chain on the GPU alone.

The Néel state of the open chain evolves on the GPU. Whenever its largest bond reaches one of the bond dimensions χ, a
copy goes on with that as `max_bond` until nine bonds in the middle are full, and twenty steps more. From there both
devices take the same steps, with what is known of each bond's truncation. A *step* is what it is in the middle of an
evolution, as in `nhtebd.py`. The long chain begins in a random state whose bonds are full and have decaying weights.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from benchmarks.memory import filled, spread
from mpsnh import MPS, models
from mpsnh.kernels.batched import cuda
from mpsnh.language.circuit import repeated
from mpsnh.states.blocks import Blocks, bond_dimensions
from mpsnh.states.device import DeviceState
from mpsnh.states.protocol import Workspace
from mpsnh.states.symmetric import from_blocks, symmetric
from mpsnh.states.truncation import Truncation
from mpsnh.states.workspace import BlockState

DT = 0.1

DECAY = 3.0
"""Logarithm of the ratio of the largest amplitude on a bond to the smallest, in the random state."""

SETTLING = 20
"""Steps after the bonds have become full."""


def advance(
    state: Workspace, model: models.NonHermitianXXZ, steps: int, truncation: Truncation, dt: float = DT
) -> float:
    """Take steps; return the weight discarded in them."""
    layers = repeated(model.step(dt, 2), steps)
    lost = sum(float(state.apply(layer, truncation).sum()) for layer in layers)
    state.move_to(model.L // 2)
    return lost


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def copied(state: DeviceState, max_bond: int) -> DeviceState:
    """Return a copy on the same device."""
    copy = DeviceState(state.view(), state.charges, state.centre, max_bond, state.dtype, state.xp)
    copy.recall(state.carry())
    return copy


def on_host(state: DeviceState, max_bond: int) -> BlockState:
    """Return a copy on the CPU."""
    copy = BlockState(state.view(), state.charges, state.centre, max_bond, state.dtype)
    copy.recall(state.carry())
    return copy


def grown(model: models.NonHermitianXXZ, bonds: list[int], xp: Any, dtype: Any) -> Iterator[tuple[int, DeviceState]]:
    """Yield states whose bonds are full, for each bond dimension in turn."""
    neel = symmetric(MPS.product(model.sites, ["up", "down"] * (model.L // 2)))
    state = DeviceState.of(neel.workspace(max(bonds), dtype), xp)
    for chi in bonds:
        while max(state.bond_dimensions()) < chi:
            before = copied(state, max(bonds))
            advance(state, model, 1, Truncation(max_bond=max(bonds)), 2 * DT)
        full = copied(before, chi)
        middle = slice(model.L // 2 - 4, model.L // 2 + 5)
        while min(full.bond_dimensions()[middle]) < chi:
            advance(full, model, 1, Truncation(max_bond=chi), 2 * DT)
        advance(full, model, SETTLING, Truncation(max_bond=chi))
        yield chi, full


def seen(state: Workspace, model: models.NonHermitianXXZ) -> MPS:
    blocks = [{key: block.astype(complex) for key, block in site.items()} for site in state.view()]
    return from_blocks(blocks, model.sites, (state.centre, state.centre + 1))


def race(model: models.NonHermitianXXZ, chi: int, start: DeviceState) -> dict[str, Any]:
    """Take the same steps on both devices."""
    truncation, row = Truncation(max_bond=chi), {"chi": chi, "precision": str(start.dtype)}
    states = {"gpu": copied(start, chi), "cpu": on_host(start, chi)}
    for name, state in states.items():
        steps = 10 if chi <= 256 or name == "gpu" else 2
        seconds, lost = timed(lambda s=state, n=steps: advance(s, model, n, truncation))
        row |= {f"{name}_ms": 1e3 * seconds / (steps + 0.5), f"{name}_discarded": lost / steps}
        if name == "gpu":
            short = copied(start, chi)
            row["gpu_discarded_first"] = advance(short, model, 2, truncation) / 2
    other = on_host(start, chi)
    row["cpu_discarded_first"] = advance(other, model, 2, truncation) / 2 if chi <= 256 else row["cpu_discarded"]
    a, b = (seen(state, model) for state in (short, other if chi <= 256 else states["cpu"]))
    row["apart"] = 1 - abs(a.overlap(b)) ** 2 / abs(a.overlap(a) * b.overlap(b))
    row["ratio"] = row["cpu_ms"] / row["gpu_ms"]
    row["view_s"] = timed(start.view)[0]
    return row


def decaying(model: models.NonHermitianXXZ, chi: int) -> tuple[list[Blocks], Any]:
    """Return the blocks of a random state whose bonds are full, with weights as in an evolved one, and its charges."""
    blocks, charges, _ = filled(model, chi, spread())._form()
    for site in blocks:
        for key, block in site.items():
            a, _, b = block.shape
            site[key] = block * (math.sqrt(a * b) / chi) * np.exp(-DECAY * np.arange(b) / b)
    return blocks, charges


def long_chain(L: int, chi: int, steps: int, xp: Any) -> dict[str, Any]:
    """Take some steps of a long chain from a random state."""
    model = models.NonHermitianXXZ(L=L, gamma=0.1, V=1.1, h=2.0, seed=0)
    blocks, charges = decaying(model, chi)
    state = DeviceState(blocks, charges, L - 1, max(bond_dimensions(blocks)), xp=xp)
    del blocks
    row: dict[str, Any] = {"N": L, "chi": state.max_bond, "canonical_s": timed(lambda: state.move_to(0))[0]}
    row |= {"step_s": [], "discarded": [], "median_bond": []}
    layers = repeated(model.step(DT, 2), 2)[1:3]  # whose halves are merged with their neighbours'
    for _ in range(steps):
        seconds, lost = timed(
            lambda: [state.apply(layer, Truncation(max_bond=state.max_bond)).sum() for layer in layers]
        )
        row["step_s"].append(seconds)
        row["discarded"].append(float(sum(lost)))
        row["median_bond"].append(float(np.median(state.bond_dimensions())))
        print(row, flush=True)
    row["view_s"] = timed(state.view)[0]
    if hasattr(xp, "get_default_memory_pool"):
        row["gpu_gb"] = xp.get_default_memory_pool().total_bytes() / 1e9
    return row


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bonds", type=int, nargs="+", default=[128, 256, 512, 768, 1024], help="bond dimensions χ")
    parser.add_argument("--sites", type=int, default=40, help="number of sites, a multiple of 4 (default: 40)")
    parser.add_argument("--single", action="store_true", help="in single precision")
    parser.add_argument("--long", type=int, nargs=3, default=[560, 768, 4], metavar=("N", "CHI", "STEPS"))
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--host", action="store_true", help="run the GPU's part with numpy, to try this script")
    given = parser.parse_args()
    xp = np if given.host else cuda()
    rows: list[dict[str, Any]] = []

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        print(row, flush=True)
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1))

    if not given.host:
        name = xp.cuda.runtime.getDeviceProperties(0)["name"].decode()
        note(
            {"gpu": name, "cupy": xp.__version__, "cuda": xp.cuda.runtime.runtimeGetVersion(), "numpy": np.__version__}
        )
    model = models.NonHermitianXXZ(L=given.sites, gamma=0.1, V=1.1, h=2.0, seed=0)
    with threadpoolctl.threadpool_limits(1):
        kind = np.complex64 if given.single else np.complex128
        for chi, start in grown(model, sorted(given.bonds), xp, kind):
            note(race(model, chi, start))
        if given.long[0]:
            note(long_chain(*given.long, xp))


if __name__ == "__main__":
    main()
