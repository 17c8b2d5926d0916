from .no_click import NoClick as NoClick
from .open_chain import OpenChain as OpenChain
from .open_xxz import OpenXXZ as OpenXXZ
from .random_circuit import RandomFloquetCircuit as RandomFloquetCircuit
from .xxz import NonHermitianXXZ as NonHermitianXXZ
