"""What is made of models and takes long, made once."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from mpsnh.base.model import Model

T = TypeVar("T")


class Remembered(Generic[T]):
    """What was made of each model, for as long as the model lives: checks and runs share it.

    Models are told apart by what they are, not by their parameters.

    Parameters
    ----------
    make : callable
        Makes it of a model.

    Examples
    --------
    >>> sizes, chain = Remembered(lambda model: print("made") or model.L), models.NonHermitianXXZ(L=4)
    >>> sizes.of(chain), sizes.of(chain)
    made
    (4, 4)
    """

    def __init__(self, make: Callable[[Model], T]) -> None:
        self._make = make
        self._made: dict[int, tuple[weakref.ref[Model], T]] = {}

    def of(self, model: Model) -> T:
        """Return what is made of a model.

        Parameters
        ----------
        model : Model
            Any.
        """
        known = self._made.get(id(model))
        if known is not None and known[0]() is model:
            return known[1]
        made = self._make(model)
        forget = functools.partial(self._made.pop, id(model), None)
        self._made[id(model)] = weakref.ref(model, lambda _: forget()), made
        return made
