"""Imports run one way between the rooms of the house: a room knows only those before it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMPUTE = (
    "text",
    "errors",
    "store",
    "inputs",
    "networks",
    "attacks",
    "explainers",
    "scoring",
    "sweep",
    "reporting",
    "bench",
    "options",
    "cli",
)
DASHBOARD = (
    "theme",
    "text",
    "labels",
    "urls",
    "data",
    "figures",
    "viewer",
    "widgets",
    "views",
    "app",
    "early",
    "server",
    "launch",
)
ROOMS = {"compute": COMPUTE, "dashboard": DASHBOARD}
OPEN_TO_DASHBOARD = {"errors", "store", "scoring", "reporting"}
LARGEST = 10
"""Modules in a room."""


def _imports(file: Path) -> Iterator[tuple[str, str]]:
    """(package, room) of everything that a file of ours imports from the project, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module in ("compute", "dashboard"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for package, _, rest in (name.partition(".") for name in names):
            if (room := rest.split(".")[0]) in ROOMS.get(package, ()):
                yield package, room


@pytest.mark.parametrize(("package", "rooms"), ROOMS.items())
def test_imports_run_one_way(package: str, rooms: tuple[str, ...]) -> None:
    wrong = []
    for file in (ROOT / package).rglob("*.py"):
        own = file.relative_to(ROOT / package).with_suffix("").parts[0]
        if own.startswith("__"):
            continue
        for other, room in _imports(file):
            if other == package and rooms.index(room) > rooms.index(own):
                wrong.append(f"{file.relative_to(ROOT)} imports {other}.{room}")
            if package == "dashboard" and other == "compute" and room not in OPEN_TO_DASHBOARD:
                wrong.append(f"{file.relative_to(ROOT)} imports compute.{room}")
            if package == "compute" and other == "dashboard" and own != "cli":
                wrong.append(f"{file.relative_to(ROOT)} imports dashboard.{room}")
    assert not wrong


def test_rooms_are_small() -> None:
    sizes = {p: len(list(p.glob("*.py"))) for p in ROOT.glob("[cd]*/*/") if (p / "__init__.py").exists()}
    assert sizes
    assert {p.name: n - 1 for p, n in sizes.items() if n - 1 > LARGEST} == {}


@pytest.mark.parametrize("path", [ROOT / "dashboard/app.py", *sorted((ROOT / "dashboard/views").glob("*.py"))], ids=str)
def test_no_page_shows_a_stray_text(path: Path) -> None:
    """Streamlit draws every expression that stands alone, so a constant's docstring would be on the page."""
    _, *rest = ast.parse(path.read_text()).body
    assert [node for node in rest if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)] == []
