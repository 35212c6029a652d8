"""docs/fidelity.rst, as far as the score is on it: read, and written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.conformance.score import rie
from tests.conformance.score.defects import DEFECTS
from tests.conformance.score.run import Outcome, held

PAGE = Path(__file__).resolve().parents[3] / "docs" / "fidelity.rst"
BEGIN, END = ".. The score is written by make score.\n", ".. The end of the score.\n"

OURS = "lambda_sim"

ROW = re.compile(r"^   \* - (?P<id>[A-Z]+-?\d+)\n(?P<cells>(?:     - .*\n)+)", re.MULTILINE)
NOT_RUN = "—"


def recorded(text: str) -> dict[str, str]:
    """The emulator's word by statement, and by defect."""
    found = {}
    for row in ROW.finditer(text):
        cells = _cells(row)
        column = _column(row["id"], cells)
        if column is not None:
            found[row["id"]] = cells[column]
    return found


def words(theirs: Iterable[Outcome]) -> dict[str, str]:
    """What the emulator's column has to say: of statements that have cases, and of defects."""
    theirs = list(theirs)
    found = {name: "yes" if good else "no" for name, good in held(theirs).items()}
    passed = {one.case.name: one.is_held for one in theirs if one.is_played}
    for name, shown_by in DEFECTS.items():
        if passed.keys() >= set(shown_by):
            found[name] = "gone" if all(passed[case] for case in shown_by) else "there"
    return found


def written(text: str, ours: Iterable[Outcome], theirs: Iterable[Outcome]) -> str:
    """The page with the score and the emulator's column of these runs."""
    ours, theirs = list(ours), list(theirs)
    told = words(theirs)
    text = ROW.sub(lambda row: _row(row, told), text)
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{score(ours, theirs)}\n{END}{after}"


def score(ours: Iterable[Outcome], theirs: Iterable[Outcome]) -> str:
    """The table of the score: statements only, as how many cases fail may depend on the weather."""
    rule = f"{'=' * 26}  {'=' * 15}"
    lines = [rule, f"\\{'':25}  statements held", rule]
    for name, outcomes in ((OURS, ours), (f"RIE (aws-sam-cli {rie.VERSION})", theirs)):
        lines.append(scored(name, outcomes))
    return "\n".join([*lines, rule]) + "\n"


def scored(name: str, outcomes: Iterable[Outcome]) -> str:
    """The table's row for one program."""
    found = held(outcomes).values()
    return f"{name:26}  {sum(found)} of {len(found)}"


def _row(row: re.Match[str], told: Mapping[str, str]) -> str:
    """A row with the emulator's word, if its table has a column for it."""
    cells = _cells(row)
    column = _column(row["id"], cells)
    if column is None:
        return row[0]
    cells[column] = told.get(row["id"], NOT_RUN)
    return "   * - " + "\n     - ".join(cells) + "\n"


def _column(name: str, cells: list[str]) -> int | None:
    """Where the emulator's word stands: not at all in a table of its clients."""
    if name.startswith("D"):
        return 2
    return 3 if len(cells) == 5 else None


def _cells(row: re.Match[str]) -> list[str]:
    return [row["id"], *re.findall(r"^     - (.*)$", row["cells"], re.MULTILINE)]
