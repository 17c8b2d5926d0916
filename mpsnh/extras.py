"""Packages that only some of the work needs: without them the refusal says how to install them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class MissingExtraError(ImportError):
    """A package of an extra is not installed.

    Examples
    --------
    >>> issubclass(MissingExtraError, ImportError)
    True
    """


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import in this context what belongs to an extra.

    Parameters
    ----------
    name : str
        The extra, one of those in ``setup.cfg``.

    Raises
    ------
    MissingExtraError
        If a package is not installed.

    Examples
    --------
    >>> with extra("plot"):
    ...     import no_such_package
    Traceback (most recent call last):
    mpsnh.extras.MissingExtraError: this needs no_such_package, which is not installed: pip install "mpsnh[plot]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        sentence = f'this needs {package}, which is not installed: pip install "mpsnh[{name}]"'
        raise MissingExtraError(sentence, name=error.name) from None


class Lazy:
    """A module of an extra, which is imported when something in it is first used.

    Parameters
    ----------
    module, extra : str
        Its name, and the extra to which it belongs.

    Examples
    --------
    >>> Lazy("json", "store").loads("[1]")
    [1]
    """

    def __init__(self, module: str, extra: str) -> None:
        self._module, self._extra = module, extra

    def __getattr__(self, name: str) -> Any:
        with extra(self._extra):
            module = importlib.import_module(self._module)
        return getattr(module, name)
