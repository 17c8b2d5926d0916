from .no_click import NoClick as NoClick
from .random_circuit import RandomFloquetCircuit as RandomFloquetCircuit
from .xxz import NonHermitianXXZ as NonHermitianXXZ
