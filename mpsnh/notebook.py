"""How values look in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

SYMBOLS = {"Sp": "S^+", "Sm": "S^-", "Sx": "S^x", "Sy": "S^y", "Sz": "S^z", "n": "n", "c": "c", "b": "b", "Id": "1"}
"""Names of operators as formulas."""

MOST = 12
"""Terms or rows that are shown."""


def table(title: str, rows: Mapping[str, object] | Iterable[tuple[object, ...]], note: str = "") -> str:
    """Return a table in HTML; of more than a dozen rows the first ones and how many are left out.

    Parameters
    ----------
    title : str
        Above it.
    rows : mapping or iterable of tuple
        What it shows.
    note : str
        Below it.

    Examples
    --------
    >>> table("Trap", {"width": 2.0})
    '<table><caption>Trap</caption><tr><td>width</td><td>2.0</td></tr></table>'
    """
    lines = [*rows.items()] if isinstance(rows, Mapping) else [*rows]
    cells = ["".join(f"<td>{html.escape(_short(cell))}</td>" for cell in line) for line in lines[:MOST]]
    if len(lines) > MOST:
        cells.append(f"<td>… {len(lines) - MOST} more</td>")
    body = "".join(f"<tr>{line}</tr>" for line in cells)
    below = f"<tr><td colspan='9'>{html.escape(note)}</td></tr>" if note else ""
    return f"<table><caption>{html.escape(title)}</caption>{body}{below}</table>"


def _short(value: object, most: int = 200) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def formula(terms: Iterable[tuple[str, Iterable[tuple[str, int]]]]) -> str:
    r"""Return a sum of products of operators as a formula in LaTeX.

    Parameters
    ----------
    terms : iterable of (str, factors)
        Coefficients as texts, and names of operators with their sites.

    Examples
    --------
    >>> print(formula([("0.5", [("Sp", 0), ("Sm", 1)]), ("-0.2j", [("c†", 10)])]))
    $0.5\,S^+_{0} S^-_{1} - 0.2i\,c^\dagger_{10}$
    """
    shown = [_summand(number, factors) for number, factors in terms]
    rest = [rf"\dots\ ({len(shown) - MOST}\ \text{{more}})"] if len(shown) > MOST else []
    return f"${' + '.join([*shown[:MOST], *rest]) or '0'}$".replace("+ -", "- ")


def _summand(number: str, factors: Iterable[tuple[str, int]]) -> str:
    number = number.replace("j", "i")
    product = " ".join(f"{_symbol(name)}_{{{site}}}" for name, site in factors)
    return rf"{number}\,{product}" if product else number


def _symbol(name: str) -> str:
    plain = name.removesuffix("†")
    symbol = SYMBOLS.get(plain, rf"\mathrm{{{plain.replace('_', chr(92) + '_')}}}")
    if plain == name:
        return symbol
    return rf"({symbol})^\dagger" if "^" in symbol else rf"{symbol}^\dagger"
