"""What a point may raise, described and sent so that nothing else suffers."""

from __future__ import annotations

import pickle
from types import TracebackType

from mpsnh.run.limits import interruptible

LONGEST = 2000
"""Characters of a message that are kept."""


class Terminated(SystemExit):
    """SIGTERM came, and what runs has time to write.

    Examples
    --------
    >>> issubclass(Terminated, SystemExit)
    True
    """


class PointError(RuntimeError):
    """A point failed with something that can't be passed on as it is.

    Examples
    --------
    >>> issubclass(PointError, RuntimeError)
    True
    """


def describe(error: BaseException) -> str:
    """Return the kind and the message of an error as text that any file can hold, even if its message raises.

    Examples
    --------
    >>> describe(ValueError("too large"))
    'ValueError: too large'
    """
    kind = type(error).__name__
    try:
        text = f"{kind}: {error}"
    except BaseException as another:
        if _is_for_the_program(another):
            raise
        text = f"{kind}, whose message raises {type(another).__name__}"
    return text.encode("utf-8", "backslashreplace").decode()[:LONGEST]


def sendable(error: BaseException) -> BaseException:
    """Return an error as it is if another process can read it and say what it says, and otherwise its description.

    Examples
    --------
    >>> class Local(Exception):
    ...     def __reduce__(self):
    ...         raise TypeError("never")
    >>> sendable(ValueError(1)), sendable(Local("here"))
    (ValueError(1), PointError('Local: here'))
    """
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error) and f"{error} {error!r}":
            return error
    except BaseException as another:
        if _is_for_the_program(another):
            raise
    return PointError(describe(error))


def _is_for_the_program(error: BaseException) -> bool:
    """Tell whether an exception shall end what runs the points: it is Ctrl-C or SIGTERM, and no point raised it."""
    return isinstance(error, Terminated) or (isinstance(error, KeyboardInterrupt) and interruptible.asked)


class Contained:
    """Turns what would end the program, such as `SystemExit`, into an ordinary error: it comes from a point.

    Examples
    --------
    >>> with contained:
    ...     raise SystemExit(0)
    Traceback (most recent call last):
    mpsnh.run.failure.PointError: SystemExit: 0 (raised by a point, which ends nothing else)
    """

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Raise in place of what is no `Exception`, unless Ctrl-C or SIGTERM came."""
        if error is None or isinstance(error, Exception) or _is_for_the_program(error):
            return
        raise PointError(f"{describe(error)} (raised by a point, which ends nothing else)") from error


contained = Contained()
