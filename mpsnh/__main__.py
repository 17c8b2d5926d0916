"""The command ``mpsnh``, also as ``python -m mpsnh``; without the packages that it needs, it says which."""

from __future__ import annotations

import sys

from mpsnh.extras import MissingExtraError


def main() -> None:
    """Run the command line.

    Examples
    --------
    >>> main.__module__
    'mpsnh.__main__'
    """
    try:
        from mpsnh.cli import main as run
    except MissingExtraError as error:
        sys.exit(str(error))
    run()


if __name__ == "__main__":
    main()
