"""Where the public names of the packages come from, as their stubs say."""

import ast


def exports(source, package):
    """The names that a stub imports, each with the module that defines it."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module}" if node.module else package
            found |= {alias.name: module if node.module else f"{package}.{alias.name}" for alias in node.names}
    return found
