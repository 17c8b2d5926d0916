"""Non-Hermitian quantum many-body physics with matrix-product states and exact methods.

The vocabulary: sites, operator sums, models, states, records, algorithms, observables, simulations and sweeps.
Concrete models, algorithms and observables live in `mpsnh.models`, `mpsnh.algorithms` and `mpsnh.observables`.
"""

from importlib.metadata import version

from mpsnh.algorithm import Algorithm, TimeEvolution
from mpsnh.bath import Bath
from mpsnh.circuit import Gate, Layer
from mpsnh.density_matrix import DensityMatrix
from mpsnh.exact_state import ExactState
from mpsnh.model import FloquetModel, HamiltonianModel, Model
from mpsnh.mpo import MPO
from mpsnh.mps import MPS
from mpsnh.observable import Observable
from mpsnh.opsum import OpSum
from mpsnh.records import Record, SlowMode, Snapshot, Spectrum, State
from mpsnh.sector import Sector
from mpsnh.simulation import Simulation
from mpsnh.site import Boson, Fermion, Site, Spin
from mpsnh.sweep import sweep

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
