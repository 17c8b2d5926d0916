"""The papers that docstrings name, as entries of BibTeX."""

from __future__ import annotations

from typing import Any

OURS = """@software{mpsnh,
  title = {mpsnh: non-Hermitian quantum many-body physics with matrix-product states and exact methods},
  author = {{The mpsnh developers}},
}"""

PAPERS = {
    "DOI 10.1103/crwj-x7j8": """@misc{brighi2025,
  title = {Finite steady-state current defies non-Hermitian many-body localization},
  author = {Brighi, Pietro and Ljubotina, Marko and Roccati, Federico and Balducci, Federico},
  year = {2025},
  doi = {10.1103/crwj-x7j8},
}""",
    "PRL 130, 250405": """@article{ha2023,
  title = {Many-Body Resonances in the Avalanche Instability of Many-Body Localization},
  author = {Ha, Hyunsoo and Morningstar, Alan and Huse, David A.},
  journal = {Physical Review Letters}, volume = {130}, pages = {250405}, year = {2023},
  doi = {10.1103/PhysRevLett.130.250405},
}""",
    "PRB 105, 174205": """@article{morningstar2022,
  title = {Avalanches and many-body resonances in many-body localized systems},
  author = {Morningstar, Alan and Colmenarez, Luis and Khemani, Vedika and Luitz, David J. and Huse, David A.},
  journal = {Physical Review B}, volume = {105}, pages = {174205}, year = {2022},
  doi = {10.1103/PhysRevB.105.174205},
}""",
    "PRL 91, 147902": """@article{vidal2003,
  title = {Efficient Classical Simulation of Slightly Entangled Quantum Computations},
  author = {Vidal, Guifr{\\'e}},
  journal = {Physical Review Letters}, volume = {91}, pages = {147902}, year = {2003},
  doi = {10.1103/PhysRevLett.91.147902},
}""",
    "PRL 69, 2863": """@article{white1992,
  title = {Density matrix formulation for quantum renormalization groups},
  author = {White, Steven R.},
  journal = {Physical Review Letters}, volume = {69}, pages = {2863}, year = {1992},
  doi = {10.1103/PhysRevLett.69.2863},
}""",
    "SIAM J. Numer. Anal. 19, 470": """@article{kahan1982,
  title = {Residual Bounds on Approximate Eigensystems of Nonnormal Matrices},
  author = {Kahan, W. and Parlett, B. N. and Jiang, E.},
  journal = {SIAM Journal on Numerical Analysis}, volume = {19}, pages = {470}, year = {1982},
  doi = {10.1137/0719030},
}""",
    "PRB 75, 155111": """@article{oganesyan2007,
  title = {Localization of interacting fermions at high temperature},
  author = {Oganesyan, Vadim and Huse, David A.},
  journal = {Physical Review B}, volume = {75}, pages = {155111}, year = {2007},
  doi = {10.1103/PhysRevB.75.155111},
}""",
    "PRL 110, 084101": """@article{atas2013,
  title = {Distribution of the Ratio of Consecutive Level Spacings in Random Matrix Ensembles},
  author = {Atas, Y. Y. and Bogomolny, E. and Giraud, O. and Roux, G.},
  journal = {Physical Review Letters}, volume = {110}, pages = {084101}, year = {2013},
  doi = {10.1103/PhysRevLett.110.084101},
}""",
    "PRX 10, 021019": """@article{sa2020,
  title = {Complex Spacing Ratios: A Signature of Dissipative Quantum Chaos},
  author = {S{\\'a}, Lucas and Ribeiro, Pedro and Prosen, Toma{\\v{z}}},
  journal = {Physical Review X}, volume = {10}, pages = {021019}, year = {2020},
  doi = {10.1103/PhysRevX.10.021019},
}""",
    "PRX Quantum 4, 040312": """@article{kawabata2023,
  title = {Singular-Value Statistics of Non-Hermitian Random Matrices and Open Quantum Systems},
  author = {Kawabata, Kohei and Xiao, Zhenyu and Ohtsuki, Tomi and Shindou, Ryuichi},
  journal = {PRX Quantum}, volume = {4}, pages = {040312}, year = {2023},
  doi = {10.1103/PRXQuantum.4.040312},
}""",
    "PRL 68, 580": """@article{dalibard1992,
  title = {Wave-function approach to dissipative processes in quantum optics},
  author = {Dalibard, Jean and Castin, Yvan and M{\\o}lmer, Klaus},
  journal = {Physical Review Letters}, volume = {68}, pages = {580}, year = {1992},
  doi = {10.1103/PhysRevLett.68.580},
}""",
    "PRA 45, 4879": """@article{dum1992,
  title = {Monte Carlo simulation of the atomic master equation for spontaneous emission},
  author = {Dum, R. and Zoller, P. and Ritsch, H.},
  journal = {Physical Review A}, volume = {45}, pages = {4879}, year = {1992},
  doi = {10.1103/PhysRevA.45.4879},
}""",
    "PRA 47, 642": """@article{wiseman1993,
  title = {Quantum theory of field-quadrature measurements},
  author = {Wiseman, H. M. and Milburn, G. J.},
  journal = {Physical Review A}, volume = {47}, pages = {642}, year = {1993},
  doi = {10.1103/PhysRevA.47.642},
}""",
    "PRL 93, 207205": """@article{zwolak2004,
  title = {Mixed-State Dynamics in One-Dimensional Quantum Lattice Systems: A Time-Dependent Superoperator
    Renormalization Algorithm},
  author = {Zwolak, Michael and Vidal, Guifr{\\'e}},
  journal = {Physical Review Letters}, volume = {93}, pages = {207205}, year = {2004},
  doi = {10.1103/PhysRevLett.93.207205},
}""",
}
"""Entries by how docstrings name them."""


def cited(*kinds: type) -> str:
    """Return entries of BibTeX for this package and for the papers that the docstrings of classes name.

    Parameters
    ----------
    kinds : type
        Models, algorithms or observables; what they inherit from counts as well.

    Examples
    --------
    >>> cited(models.NonHermitianXXZ, algorithms.NHTEBD).count("@")
    3
    """
    texts = [described(base) for kind in kinds for base in kind.__mro__ if base.__module__.startswith("mpsnh.")]
    named = [entry for name, entry in PAPERS.items() if any(name in text for text in texts)]
    return "\n\n".join([OURS, *named])


def described(thing: Any) -> str:
    """Return a docstring in one line.

    Parameters
    ----------
    thing : any
        What has one.

    Examples
    --------
    >>> described(observables.Norm)[:20]
    'The norm ‖ψ(t)‖ of t'
    """
    return " ".join((thing.__doc__ or "").split())
