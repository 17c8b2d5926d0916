"""Averages and fits over realisations, with errors."""

from mpsnh.statistics.averages import RESAMPLES, confidence_interval, mean_with_error, typical
from mpsnh.statistics.decay import ExponentialFit, fit_exponential
from mpsnh.statistics.distribution import log_histogram
from mpsnh.statistics.kink import Kink, kink
from mpsnh.statistics.limit import late_limit
from mpsnh.statistics.plateau import Plateau, plateau

__all__ = [
    "RESAMPLES",
    "ExponentialFit",
    "Kink",
    "Plateau",
    "confidence_interval",
    "fit_exponential",
    "kink",
    "late_limit",
    "log_histogram",
    "mean_with_error",
    "plateau",
    "typical",
]
