"""Averages and fits over realisations, with errors."""

from mpsnh.statistics.averages import RESAMPLES, confidence_interval, mean_with_error, typical
from mpsnh.statistics.crossing import crossing
from mpsnh.statistics.decay import ExponentialFit, fit_exponential
from mpsnh.statistics.distribution import log_histogram
from mpsnh.statistics.kink import Kink, kink
from mpsnh.statistics.laws import Laws, decay_laws
from mpsnh.statistics.limit import late_limit
from mpsnh.statistics.multilevel import multilevel
from mpsnh.statistics.plateau import Plateau, plateau

__all__ = [
    "RESAMPLES",
    "ExponentialFit",
    "Kink",
    "Laws",
    "Plateau",
    "confidence_interval",
    "crossing",
    "decay_laws",
    "fit_exponential",
    "kink",
    "late_limit",
    "log_histogram",
    "mean_with_error",
    "multilevel",
    "plateau",
    "typical",
]
