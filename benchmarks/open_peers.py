"""Other packages on the systems of `benchmarks.open`, each through its own interface and imported when it is used."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def missing(package: str) -> bool:
    """Whether a package is not installed, which is said."""
    if importlib.util.find_spec(package.partition(".")[0]) is not None:
        return False
    print(f"{package} is not installed, and was left out.")
    return True


def qutip_chain(N: int, gamma: float, V: float) -> tuple[Any, list[Any], list[Any], Any]:
    """Return the model of Brighi et al., Eq. 1, in QuTiP: H, jumps, Sz of each site, and the Néel state."""
    import qutip

    eye = [qutip.qeye(2)] * N

    def at(op: Any, j: int) -> Any:
        return qutip.tensor([*eye[:j], op, *eye[j + 1 :]])

    sz, sm = ([at(op, j) for j in range(N)] for op in (qutip.sigmaz() / 2, qutip.sigmam()))
    H = sum(h * z for h, z in zip(np.random.default_rng([1, 0]).uniform(-1, 1, N), sz, strict=True))
    for j in range(N - 1):
        hop = sm[j].dag() * sm[j + 1] / 2
        H = H + hop + hop.dag() + V * sz[j] * sz[j + 1]
    jumps = [gamma**0.5 * (sm[j] - 1j * sm[j + 1]) for j in range(N - 1)]
    return H, jumps, sz, qutip.tensor([qutip.basis(2, j % 2) for j in range(N)])


def qutip_trajectories(N: int, runs: int, T: float, gamma: float, V: float) -> float:
    """CPU time of a trajectory of QuTiP's mcsolve in milliseconds, magnetisations at every unit of time included."""
    import qutip

    H, jumps, sz, psi = qutip_chain(N, gamma, V)
    times = np.arange(0.0, T + 0.5)
    solver = qutip.MCSolver(H, jumps, options={"progress_bar": False, "map": "serial"})
    solver.run(psi, times, ntraj=1, e_ops=sz)
    begun = time.process_time()
    solver.run(psi, times, ntraj=runs, e_ops=sz)
    return 1e3 * (time.process_time() - begun) / runs


def qutip_master(N: int, T: float, gamma: float, V: float, rtol: float) -> tuple[Array, float]:
    """Magnetisations by time and site from QuTiP's mesolve at every unit of time, and its CPU time in seconds."""
    import qutip

    H, jumps, sz, psi = qutip_chain(N, gamma, V)
    options = {"progress_bar": False, "rtol": rtol, "atol": rtol / 100, "nsteps": 10**6}
    begun = time.process_time()
    result = qutip.mesolve(H, psi * psi.dag(), np.arange(0.0, T + 0.5), jumps, e_ops=sz, options=options)
    return np.array(result.expect).T, time.process_time() - begun


def yaqs_dephasing(N: int, kappa: float, T: float, dt: float, max_bond: int, runs: int) -> tuple[Array, float]:
    """⟨Sz⟩ of each site at time T, by trajectory, from the tensor-jump method of mqt-yaqs, and its CPU time of one.

    Of an XX chain from the Néel state, with jumps √κ Sz on all sites. Single-threaded, second order.
    """
    from mqt.yaqs import AnalogSimParams, Hamiltonian, NoiseModel, Observable, Simulator, State

    hamiltonian = Hamiltonian.pauli(length=N, two_body=[(0.25, "X", "X"), (0.25, "Y", "Y")])
    noise = NoiseModel([{"name": "pauli_z", "sites": [j], "strength": kappa / 4} for j in range(N)])
    simulator = Simulator(parallel=False, show_progress=False)

    def run(number: int, end: float) -> Array:
        parameters = AnalogSimParams(
            observables=[Observable("z", j) for j in range(N)],
            elapsed_time=end,
            dt=dt,
            num_traj=number,
            max_bond_dim=max_bond,
            svd_threshold=1e-10,
            order=2,
            sample_timesteps=False,
            random_seed=1,
        )
        start = State(N, initial="basis", basis_string=("01" * N)[:N])
        result = simulator.run(start, hamiltonian, parameters, noise)
        return np.array([np.real(values)[..., -1] for values in result.trajectories]).T / 2

    run(1, dt)  # what is compiled once
    begun = time.process_time()
    values = run(runs, T)
    return values, (time.process_time() - begun) / runs
