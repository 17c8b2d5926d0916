"""Non-Hermitian quantum many-body physics with matrix-product states and exact methods.

The vocabulary: sites, operator sums, models, states, records, algorithms, observables, simulations and sweeps.
Concrete models, algorithms and observables live in `mpsnh.models`, `mpsnh.algorithms` and `mpsnh.observables`.
"""

from importlib.metadata import version

from mpsnh.base.algorithm import Algorithm
from mpsnh.base.bath import Bath
from mpsnh.base.evolution import TimeEvolution
from mpsnh.base.floquet import FloquetModel
from mpsnh.base.hamiltonian import HamiltonianModel
from mpsnh.base.model import Model
from mpsnh.base.observable import Observable
from mpsnh.base.records import Record
from mpsnh.base.slow_mode import SlowMode
from mpsnh.base.snapshot import Snapshot
from mpsnh.base.spectrum import Spectrum
from mpsnh.language.circuit import Gate, Layer
from mpsnh.language.opsum import OpSum
from mpsnh.language.site import Boson, Fermion, Site, Spin
from mpsnh.operators.mpo import MPO
from mpsnh.operators.sector import Sector
from mpsnh.run.simulation import Simulation
from mpsnh.run.sweep import sweep
from mpsnh.states.density import DensityMatrix
from mpsnh.states.mps import MPS
from mpsnh.states.state import Pure, State
from mpsnh.states.vector import ExactState

__version__ = version("mpsnh")

__all__ = [
    "MPO",
    "MPS",
    "Algorithm",
    "Bath",
    "Boson",
    "DensityMatrix",
    "ExactState",
    "Fermion",
    "FloquetModel",
    "Gate",
    "HamiltonianModel",
    "Layer",
    "Model",
    "Observable",
    "OpSum",
    "Pure",
    "Record",
    "Sector",
    "Simulation",
    "Site",
    "SlowMode",
    "Snapshot",
    "Spectrum",
    "Spin",
    "State",
    "TimeEvolution",
    "sweep",
]
