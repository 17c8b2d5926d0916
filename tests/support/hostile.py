"""Functions for workers that die, lie or can't be sent, and points that do."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

import mpsnh as nh
from tests.support import sweep_functions as functions


class UnpicklableError(Exception):
    def __reduce__(self):
        raise TypeError("never")


class UnreadableError(Exception):
    """It can be pickled, but not made again."""

    def __init__(self, one, two):
        super().__init__(one)


class SpeechlessError(Exception):
    def __str__(self):
        raise ValueError("no words")

    __repr__ = __str__


def killed_while_sending(size):
    """Return what takes time to send, of which the end never comes."""
    from mpsnh.run import worker

    def dumps(what):
        data = original(what)
        (connection,) = (end for end in worker._PRIVATE if end.writable)
        os.write(connection.fileno(), len(data).to_bytes(4, "big") + data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    original, worker.pickle.dumps = worker.pickle.dumps, dumps
    return bytes(size)


def unpicklable_result():
    return lambda: 0


def unpicklable_error():
    raise UnpicklableError("here")


def unreadable_error():
    raise UnreadableError(1, 2)


def failing_initializer():
    raise OSError("no licence")


def killing_initializer():
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(error):
    raise error


ENDS = {
    "sys.exit": lambda: sys.exit(0),
    "GeneratorExit": lambda: _raise(GeneratorExit()),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "BaseException": lambda: _raise(BaseException("base")),
    "speechless": lambda: _raise(SpeechlessError()),
    "unpicklable": lambda: _raise(UnpicklableError("here")),
    "unreadable": lambda: _raise(UnreadableError(1, 2)),
    "surrogate": lambda: _raise(ValueError("\udcff")),
    "endless": lambda: _raise(ValueError("x" * 10**7)),
    "StopIteration": lambda: _raise(StopIteration(1)),
}
"""What a point may do that fails, by name."""


def ending(seed, kind="sys.exit", at=3):
    """A point that ends in some way."""
    before = ENDS[kind] if seed == at else int
    return functions.Watched(functions.MODEL, functions.Drawn(seed=seed, h=1.0), functions.OBSERVABLES, before)


def growing(seed, at=3):
    """A point with a result of another shape."""
    return functions.draw(seed=seed, levels=2 if seed == at else 3)


class Block(nh.Observable[nh.Spectrum]):
    measures, dims = nh.Spectrum, ("number",)

    def __call__(self, record, model):
        return np.full(2**17, round(record.values[0].real))


class Numbered(functions.Drawn):
    def records(self, model, after=None):
        yield nh.Spectrum(np.array([self.seed + 0j]), model.sector, order="growth")


def large(seed):
    """A point with 1 MiB of results."""
    return nh.Simulation(functions.MODEL, Numbered(seed=seed, h=1.0), {"block": Block()})


def loading(seed, folder):
    """A point that imports a slow module, and compiles something."""

    def before():
        import importlib.util

        import numba

        spec = importlib.util.find_spec("slow_to_load")
        if spec is None:
            sys.path_importer_cache.clear()
            sys.meta_path.append(_Finder(Path(folder)))
        import slow_to_load  # noqa: F401

        numba.njit(lambda x: np.sort(x)[::-1].cumsum() + np.linalg.norm(x))(np.arange(3.0) + seed)

    return functions.Watched(functions.MODEL, functions.Drawn(seed=seed, h=1.0), functions.OBSERVABLES, before)


class _Finder:
    """Finds modules in a folder, without a change of the path of Python."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        from importlib.util import spec_from_file_location

        file = self.folder / f"{name}.py"
        return spec_from_file_location(name, file) if file.exists() else None
