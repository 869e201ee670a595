"""Print the import graph of the package: modules, imports, circles, long files and functions.

    python -m scripts.import_graph

Imports inside functions and under TYPE_CHECKING count like any other.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "infinity_frames"
FOLDER = Path(__file__).parents[1] / PACKAGE
LONG_FUNCTION = 60


def modules(folder: Path = FOLDER) -> dict[str, ast.Module]:
    """Syntax trees of all modules of the package, by dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def imports(name: str, tree: ast.Module, known: set[str]) -> set[str]:
    """Modules of the package that a module imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return {target for target in found if target in known and target != name}


def graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Map each module to the modules that it imports."""
    return {name: imports(name, tree, set(trees)) for name, tree in trees.items()}


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan's algorithm)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in sorted(edges[name]):
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            at = stack.index(name)
            component = sorted(stack[at:])
            del stack[at:]
            if len(component) > 1:
                found.append(component)

    for name in sorted(edges):
        if name not in order:
            visit(name)
    return found


def long_functions(trees: dict[str, ast.Module]) -> Iterator[tuple[str, int]]:
    """Functions of more than 60 lines, docstrings included, as (name, lines)."""
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONG_FUNCTION:
                    yield f"{module}.{node.name}", lines


def main() -> None:
    """Print the figures."""
    trees = modules()
    edges = graph(trees)
    lengths = [len(path.read_text("utf-8").splitlines()) for path in FOLDER.rglob("*.py")]
    print(f"modules: {len(edges)}, imports: {sum(map(len, edges.values()))}")
    print(f"lines of a module: median {statistics.median(lengths):.0f}, longest {max(lengths)}")
    rings = circles(edges)
    print(f"circles: {len(rings)}")
    for ring in rings:
        print("  " + ", ".join(ring))
        for name in ring:
            print(f"    {name} -> {', '.join(sorted(edges[name] & set(ring)))}")
    for name, lines in sorted(long_functions(trees), key=lambda item: -item[1]):
        print(f"function of {lines} lines: {name}")


if __name__ == "__main__":
    main()
