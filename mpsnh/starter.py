"""Files to begin a model of one's own with."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

MODEL = '''"""A model to begin with: say here what it is, and where it is from."""

import mpsnh as nh


class NAME(nh.HamiltonianModel):
    """Hopping on an open chain, stronger to the right.

    Parameters
    ----------
    L : int
        Number of sites.
    gamma : float
        Asymmetry γ of the hopping.
    charge : int or None
        2 Sᶻ of the sector in which exact methods work; zero magnetisation by default, None for all sectors.
    """

    gamma: float = 0.1
    charge: int | None = 0

    def terms(self) -> nh.OpSum:
        """Return the Hamiltonian, as it is: no Hermitian conjugate is added."""
        right = nh.OpSum.sum(((1 + self.gamma) / 2, "Sm", j, "Sp", j + 1) for j in range(self.L - 1))
        left = nh.OpSum.sum(((1 - self.gamma) / 2, "Sp", j, "Sm", j + 1) for j in range(self.L - 1))
        return right + left
'''

TEST = '''"""The levels of NAME next to a closed form."""

import numpy as np
from MODULE import NAME

from mpsnh import algorithms


def test_one_particle_has_the_levels_of_a_box():
    gamma, L = 0.3, 6
    (spectrum,) = algorithms.ExactDiag().records(NAME(L=L, gamma=gamma, charge=2 - L))
    box = np.sqrt(1 - gamma**2) * np.cos(np.arange(1, L + 1) * np.pi / (L + 1))
    np.testing.assert_allclose(np.sort(spectrum.values.real), np.sort(box), atol=1e-12)
'''


def write(name: str, folder: Path) -> list[Path]:
    """Write a model and its test, and return their paths.

    Parameters
    ----------
    name : str
        The name of the class; that of the file has an underscore before each word.
    folder : Path
        Where.

    Raises
    ------
    ValueError
        If the name can't be that of a class, or is another one in lower case.
    FileExistsError
        If one of the files is there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write("LossyChain", Path(folder))]
    ['lossy_chain.py', 'test_lossy_chain.py']
    """
    if not name.isidentifier() or keyword.iskeyword(name) or not name[0].isupper():
        raise ValueError(f"NAME = {name!r}, but it must be that of a class, such as LossyChain")
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    texts = {folder / f"{module}.py": MODEL, folder / f"test_{module}.py": TEST}
    for path in texts:
        if path.exists():
            raise FileExistsError(f"{path} is there already; choose another name, or move it")
    for path, text in texts.items():
        path.write_text(text.replace("NAME", name).replace("MODULE", module), encoding="utf-8")
    return list(texts)
