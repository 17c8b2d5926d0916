"""Refusals before any work starts, which name a parameter, its value and what is allowed; warnings of the caller."""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import lazy_loader
import psutil

ALWAYS_THERE = 2**24
"""Bytes of which it takes longer to ask than to fail, if they are not there."""


def require_memory(nbytes: float, what: str) -> None:
    """Raise before work starts if an allocation can't fit.

    Parameters
    ----------
    nbytes : float
        Bytes that the work needs.
    what : str
        What needs them, to begin the error message with.

    Raises
    ------
    MemoryError
        If that is more than what the machine has available.

    Examples
    --------
    >>> require_memory(1e30, "a dense matrix of dimension 10^14")
    Traceback (most recent call last):
    MemoryError: a dense matrix of dimension 10^14 needs 9.31e+20 GiB, but only ... GiB are available
    """
    if nbytes < ALWAYS_THERE:
        return
    available = psutil.virtual_memory().available
    if nbytes > available:
        raise MemoryError(f"{what} needs {nbytes / 2**30:.3g} GiB, but only {available / 2**30:.3g} GiB are available")


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise a `ValueError` that names a bad parameter, its value and what is allowed.

    Parameters
    ----------
    condition : bool
        Whether the value is acceptable.
    name : str
        Name of the parameter, as the user wrote it.
    value : object
        The value given.
    allowed : str
        What is allowed, completing the sentence "… must be …".

    Raises
    ------
    ValueError
        If `condition` is false.

    Examples
    --------
    >>> require(False, "dt", -0.1, "positive")
    Traceback (most recent call last):
    ValueError: dt = -0.1, but it must be positive
    """
    if not condition:
        raise ValueError(f"{name} = {value!r}, but it must be {allowed}")


def described(value: object) -> str:
    """Return a value on one line, or its kind if that takes more.

    Parameters
    ----------
    value : object
        What a message is about.

    Examples
    --------
    >>> described(3), described(np.eye(9)), described(None)
    ('3', 'a ndarray', 'None (is there a return?)')
    """
    if value is None:
        return "None (is there a return?)"
    text = repr(value)
    return text if len(text) < 80 and "\n" not in text else f"a {type(value).__name__}"


ALSO_CALLED = {
    "L": ("n", "length", "size", "n_sites", "nsites", "num_sites", "sites", "system_size"),
    "V": ("delta", "jz", "u", "interaction", "anisotropy"),
    "h": ("w", "disorder", "disorder_strength", "h_max", "hmax"),
    "seed": ("realization", "realisation", "random_seed", "random_state", "rng"),
    "boundary": ("bc", "pbc", "obc", "ring", "periodic", "open", "cyclic", "boundary_conditions"),
    "t_max": ("t", "time", "total_time", "t_final", "tfinal", "final_time", "t_end", "tf", "tmax"),
    "dt": ("tau", "step", "time_step", "timestep", "delta_t"),
    "max_bond": (
        *("chi", "chi_max", "chimax", "m", "d", "bond_dim", "bond_dimension"),
        *("max_bond_dim", "max_bond_dimension", "maxdim", "max_dim", "max_chi"),
    ),
    "cutoff": ("svd_min", "svd_cutoff", "trunc_cut", "trunc_tol", "eps", "epsilon"),
    "which": ("target", "order_by"),
    "k": ("nev", "num_states", "n_states", "num_levels", "n_levels", "n_eigs"),
    "charge": ("sector", "sz", "magnetization", "magnetisation", "total_sz"),
    "initial": ("psi0", "psi", "state", "initial_state"),
    "tolerance": ("tol", "rtol", "atol", "accuracy"),
    "sweeps": ("n_sweeps", "nsweeps", "num_sweeps", "max_sweeps"),
}
"""What other programs and papers call parameters, in small letters."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is most like an unknown one, to go on with in a message.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str
        What there is.

    Examples
    --------
    >>> did_you_mean("sz", ["Sz", "Sp"]), did_you_mean("chi", ["dt", "max_bond"]), did_you_mean("Q", ["Sz", "Sp"])
    (" (did you mean 'Sz'?)", " (did you mean 'max_bond'?)", '')
    """
    lower = {other.lower(): other for other in known}
    others = [ours for ours in lower.values() if name.lower() in ALSO_CALLED.get(ours, ())]
    close = others or [lower[each] for each in difflib.get_close_matches(name.lower(), lower, n=1)]
    return f" (did you mean {close[0]!r}?)" if close else ""


def require_method(cls: type, name: str, *arguments: str, otherwise: str = "") -> None:
    """Raise if what a class defines under a name is no method of these arguments.

    Parameters
    ----------
    cls : type
        The class; what it inherits is not looked at.
    name : str
        The method.
    *arguments : str
        What it is called with, besides self.
    otherwise : str
        What to do instead, to end the message with.

    Raises
    ------
    TypeError
        If it can't be called so.

    Examples
    --------
    >>> class Chain:
    ...     def terms(self, t): ...
    >>> require_method(Chain, "terms")
    Traceback (most recent call last):
    TypeError: Chain.terms is (self, t), but it must be a method that takes (self)
    """
    method = vars(cls).get(name)
    if method is None:
        return
    try:
        inspect.signature(method).bind("self", *arguments)
    except TypeError:
        found = inspect.signature(method) if callable(method) else f"a {type(method).__name__}"
        takes = ", ".join(("self", *arguments))
        end = f"; {otherwise}" if otherwise else ""
        raise TypeError(
            f"{cls.__name__}.{name} is {found}, but it must be a method that takes ({takes}){end}"
        ) from None


def public_names(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose `__init__.pyi` lists what is in it.

    Each name loads its module when it is first used.

    Parameters
    ----------
    package, file : str
        ``__name__`` and ``__file__`` of the package.

    Examples
    --------
    >>> public_names("mpsnh", nh.__file__)[0]("Opsum")
    Traceback (most recent call last):
    AttributeError: No mpsnh attribute Opsum (did you mean 'OpSum'?)
    """
    load, listed, names = lazy_loader.attach_stub(package, file)

    @functools.lru_cache(maxsize=256)  # names of classes are looked for here with each result (`mpsnh.value`)
    def missing(name: str) -> str:
        return f"No {package} attribute {name}{did_you_mean(name, names)}"

    def attribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(missing(name), name=name)
        return load(name)

    return attribute, listed, names


def printable(text: str) -> str:
    """Return a text without control characters: what a store from elsewhere says goes to a terminal.

    Parameters
    ----------
    text : str
        What is about to be shown.

    Examples
    --------
    >>> printable("a" + chr(27) + "[31mb")
    'a�[31mb'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def say(text: str) -> None:
    """Write a line for whoever waits; nobody needs it who has closed the place for such lines.

    Parameters
    ----------
    text : str
        The line.

    Examples
    --------
    >>> say("waiting")
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn with the line of whoever called mpsnh, however deep in it that is found out.

    Parameters
    ----------
    message : str
        What is said.
    category : type of Warning
        Of which kind it is.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     warn("a small cutoff")
    >>> [str(one.message) for one in said]
    ['a small cutoff']
    """
    frame, level = sys._getframe(1), 2  # `skip_file_prefixes` of Python 3.12 does the same
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "mpsnh":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
