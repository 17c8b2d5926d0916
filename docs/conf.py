"""The documentation site: `make docs` builds it into build/docs, with warnings as errors."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import urllib.request
from typing import Any

import matplotlib as mpl

import mpsnh
from mpsnh.value import Value

# One thread, as in the tests: the matrices of examples are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
mpl.use("Agg")

project = "mpsnh"
author = "The mpsnh developers"
copyright = "The mpsnh developers"
version = release = mpsnh.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas need no other site to be seen
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
# The scripts of the gallery become pages in examples/; the notebooks there are to be downloaded.
exclude_patterns = ["_build", "_templates", "gallery", "examples/*.ipynb"]
templates_path = ["_templates"]
default_role = "py:obj"  # what docstrings put between single backquotes
nitpicky = False

html_theme = "furo"
html_title = "mpsnh"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Pages with {code-cell} blocks are notebooks: the build runs them and shows what comes out.
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 600  # seconds of a cell, which then says where it was
nb_execution_in_temp = True  # files that a page writes are gone with it
nb_merge_streams = True
nb_output_stderr = "remove"  # progress, and that kernels are compiled

PACKAGES = ("mpsnh", "mpsnh.models", "mpsnh.algorithms", "mpsnh.observables", "mpsnh.statistics")
"""Packages that have a page of their public names."""


def public_names(package: str) -> list[str]:
    """Return the public names of a package, those of `__init__.pyi` for most, besides other packages."""
    module = importlib.import_module(package)
    return sorted(name for name in module.__all__ if not inspect.ismodule(getattr(module, name)))


autosummary_generate = True
autosummary_context = {"public": {package: public_names(package) for package in PACKAGES}}
autosummary_filename_map = {  # where capitals do not tell files apart
    f"mpsnh.statistics.{name}": f"mpsnh.statistics.{name.lower()}-class" for name in ("Kink", "Plateau")
}
autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "none"  # the signatures would repeat what the lists of parameters say in words
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": "/",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "show_signature": False,
}

INVENTORIES = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "xarray": "https://docs.xarray.dev/en/stable/",
    "quimb": "https://quimb.readthedocs.io/en/latest/",
    "matplotlib": "https://matplotlib.org/stable/",
}
"""The sites that names of other packages link to."""


def reachable(site: str) -> bool:
    """Tell whether the inventory of a site can be fetched."""
    request = urllib.request.Request(f"{site}objects.inv", method="HEAD", headers={"User-Agent": "Sphinx"})
    try:
        with urllib.request.urlopen(request, timeout=3):
            return True
    except OSError:
        return False


# A build without a network is a build without links to other sites, not an error: names stay as they are there.
ONLINE = os.environ.get("MPSNH_DOCS_OFFLINE") is None and reachable(INVENTORIES["python"])
intersphinx_mapping = {name: (site, None) for name, site in INVENTORIES.items() if ONLINE and reachable(site)}


PAGES = {"../README.md": "index.md", "../tests/README.md": "oracles.md", "../benchmarks/README.md": "benchmarks.md"}
"""Files outside of this folder that pages link to, and the pages that show them."""


def linked_within(_app: Any, name: str, source: list[str]) -> None:
    """Make links to files of the repository links to pages of the site."""
    up = "../" * name.count("/")
    for file, page in PAGES.items():
        source[0] = source[0].replace(f"]({up}{file}", f"]({up}{page}")


def escape(line: str) -> str:
    """Return a line of a docstring in which bars and asterisks, as in |⟨L|R⟩|, are characters and not markup."""
    if line.lstrip().startswith((">>>", "...", ".. ", "|")):
        return line
    parts = re.split(r"(``.*?``|`[^`]*`|\*\*.+?\*\*)", line)
    return "".join(part if k % 2 else re.sub(r"(?<!\\)\|", r"\\|", part) for k, part in enumerate(parts))


def plain_docstring(_app: Any, _what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Escape what docstrings mean literally; examples end where an empty line does."""
    example = False
    for k, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if not example:
            lines[k] = escape(line)


def skip_inherited(_app: Any, _what: str, _name: str, thing: Any, skip: bool, _options: Any) -> bool | None:
    """Leave out methods that another package has made, as those that states have from quimb."""
    module = getattr(thing, "__module__", None) or "mpsnh"
    return True if module.split(".")[0] not in ("mpsnh", "builtins") else None


def keyword_signature(
    _app: Any, what: str, _name: str, thing: Any, _options: Any, _signature: str | None, _returns: str | None
) -> tuple[str, str] | None:
    """Write the parameters of a `Value`, which its constructor only knows as keywords, with their defaults."""
    if what != "class" or not issubclass(thing, Value):
        return None
    given = inspect.signature(thing.__init__).parameters.values()
    listed = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in given if parameter.name != "self"]
    return str(inspect.Signature(listed)), ""


def setup(app: Any) -> None:
    """Connect the functions above to Sphinx."""
    app.connect("source-read", linked_within)
    app.connect("autodoc-process-docstring", plain_docstring)
    app.connect("autodoc-skip-member", skip_inherited)
    app.connect("autodoc-process-signature", keyword_signature)
