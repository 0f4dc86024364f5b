"""The table of what runs on which network is what runs."""

from pathlib import Path

import pytest

from compute.explainers import EXPLAINERS, support

README = Path(__file__).parent.parent / "compute" / "explainers" / "README.md"
LINES = README.read_text(encoding="utf-8").splitlines()
AGAIN = "run `python -m compute.explainers.support` and put its output into compute/explainers/README.md"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_explainer_has_a_line() -> None:
    found = {cells[0]: cells[1] for cells in map(_cells, LINES) if cells[0].startswith("`")}
    assert found == {f"`{name}`": support.what(explainer) for name, explainer in EXPLAINERS.items()}, AGAIN
    assert all(len(line) > 10 for line in found.values())


@pytest.mark.parametrize(
    "network", [n if n == "efficientnet_lite0" else pytest.param(n, marks=pytest.mark.slow) for n in support.NETWORKS]
)
def test_the_table_is_true(network: str) -> None:
    outcomes = support.outcomes(network)
    titles, *rows = (_cells(line) for line in LINES if line.startswith(("| name", "| `")))
    said = {cells[0].strip("`"): cells[titles.index(network)] for cells in rows}
    assert said == {name: "refuses" if outcome.refusal else "runs" for name, outcome in outcomes.items()}, AGAIN
    reasons = [line for line in LINES if line.startswith("- ") and f" on {network}: " in line]
    assert reasons == support.refusals(network, outcomes), AGAIN
