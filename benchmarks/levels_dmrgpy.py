"""Levels of smallest Re E by dmrgpy, for the table of `benchmarks.levels`; in an environment of its own.

python -m venv env && env/bin/pip install dmrgpy && env/bin/python benchmarks/levels_dmrgpy.py
"""

from __future__ import annotations

import time
from typing import Any

from dmrgpy import fermionchain, spinchain


def ssh(cells: int) -> Any:
    """Free fermions, hopping .9 and 1.1 in a cell and 1 between cells; the lowest level is half filled."""
    chain = fermionchain.Fermionic_Chain(2 * cells)
    H = 0
    for j in range(2 * cells - 1):
        there, back = (1.0, 1.0) if j % 2 else (0.9, 1.1)
        H = H + there * chain.Cdag[j] * chain.C[j + 1] + back * chain.Cdag[j + 1] * chain.C[j]
    chain.set_hamiltonian(H)
    return chain


def ising(L: int) -> Any:
    """Ising chain of spins 1/2 in an imaginary field."""
    chain = spinchain.Spin_Chain(["S=1/2"] * L)
    H = 0
    for j in range(L - 1):
        H = H - chain.Sz[j] * chain.Sz[j + 1]
    for j in range(L):
        H = H - 0.5j * chain.Sx[j]
    chain.set_hamiltonian(H)
    return chain


def main() -> None:
    """Print a table."""
    cases = [("Ising in a complex field, L = 12", ising(12), -2.081905719)]
    cases += [(f"SSH, {cells} cells", ssh(cells), exact) for cells, exact in ((5, None), (10, -12.3448634773))]
    print("| level | E | off by | s |\n|---|---|---|---|", flush=True)
    for name, chain, exact in cases:
        begun = time.process_time()
        energy = complex(chain.gs_energy())
        seconds = time.process_time() - begun
        off = "" if exact is None else f"{abs(energy - exact):.1g}"
        print(f"| {name} | {energy:.10f} | {off} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
