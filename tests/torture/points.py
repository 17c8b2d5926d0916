"""Points that take a moment, tell that they ran, and end in some way."""

import os
import signal
import time

from tests.support import hostile
from tests.support import sweep_functions as functions


def make(seed, log, faults):
    """The simulation of a point, some of which misbehave, by seed."""
    deaths = {
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "_exit": lambda: os._exit(0),
        "abort": lambda: os.kill(os.getpid(), signal.SIGABRT),
    }
    ends = (deaths | hostile.ENDS).get(faults.get(str(seed), ""), int)

    def before():
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{seed}\n".encode())
        os.close(file)
        time.sleep(0.05)
        ends()

    return functions.Watched(functions.MODEL, functions.Drawn(seed=seed, h=1.0), functions.OBSERVABLES, before)
