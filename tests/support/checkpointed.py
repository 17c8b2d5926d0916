"""A run in a process of its own, to be killed: checkpointed.py METHOD FILE OUT [PAUSE]."""

from __future__ import annotations

import signal
import sys
import time

import mpsnh as nh
from mpsnh import algorithms, models, observables

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have background jobs ignore it


class Slow(observables.Magnetization):
    """A magnetisation that takes its time, and says when it was measured."""

    pause: float = 0.0

    def parameters(self):
        return {"type": "Slow"}  # not the pause: a run may go on at another speed

    def __call__(self, record, model):
        if self.pause:
            print(record.time, flush=True)
            time.sleep(self.pause)
        return super().__call__(record, model)


METHODS = {
    "nhtebd": lambda t_max: algorithms.NHTEBD(dt=0.05, t_max=t_max, every=2, max_bond=8),
    "exact": lambda t_max: algorithms.ExactEvolution(dt=0.05, t_max=t_max, every=2),
}


def simulation(method: str = "nhtebd", t_max: float = 3.0, pause: float = 0.0, **parameters) -> nh.Simulation:
    chain = models.NonHermitianXXZ(**{"L": 8, "gamma": 0.3, "h": 1.0, "seed": 4} | parameters)
    return nh.Simulation(chain, METHODS[method](t_max), {"sz": Slow(pause=pause)})


if __name__ == "__main__":
    method, place, out, pause = sys.argv[1:]
    data = simulation(method, pause=float(pause)).run(checkpoint=place, checkpoint_every=0.0)
    data.to_netcdf(out, engine="h5netcdf")
