"""Ha, Morningstar and Huse 2023: how a weak bath relaxes a localised circuit."""

from mpsnh.studies.ha2023.data import Study
from mpsnh.studies.ha2023.figures import FIGURES
from mpsnh.studies.ha2023.report import reproduce
from mpsnh.studies.ha2023.scales import SCALES, Scale
from mpsnh.studies.ha2023.simulations import circuit

__all__ = ["FIGURES", "SCALES", "Scale", "Study", "circuit", "reproduce"]
