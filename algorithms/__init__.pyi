from .degenerate_perturbation import DegeneratePerturbationSolver as DegeneratePerturbationSolver
from .exact_diag import ExactDiag as ExactDiag
from .exact_evolution import ExactEvolution as ExactEvolution
from .lindblad_spectrum import LindbladSpectrum as LindbladSpectrum
from .nhdmrg import NHDMRG as NHDMRG
from .nhtebd import NHTEBD as NHTEBD
from .open_system import OpenSystem as OpenSystem
from .steady_state import SteadyState as SteadyState
