"""Property tests are reproducible, and processes for sweeps start quickly."""

import multiprocessing

from hypothesis import settings

settings.register_profile("mpsnh", deadline=None, derandomize=True)
settings.load_profile("mpsnh")

# There is one server of them in a process, which loads this when the first test needs it, whichever that is.
multiprocessing.set_forkserver_preload(["mpsnh.run.task", "tests.support.sweep_functions", "tests.support.hostile"])
