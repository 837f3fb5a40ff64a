"""`python -m tests.coverage_floors REPORT`: fail when too little of the code is covered.

coverage.py's own threshold mixes lines and branches; the floors here are for each, over all the
code and higher for the apps where the money is.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Floor(NamedTuple):
    lines: float
    branches: float


EVERYTHING = Floor(lines=85, branches=75)
DOMAIN = Floor(lines=90, branches=80)
COUNTED = ("covered_lines", "num_statements", "covered_branches", "num_branches")
DOMAIN_APPS = ("accounts", "audit", "payments", "pricing", "receipts", "usage")


def _percent(counts: Mapping[str, int], covered: str, total: str) -> float:
    return 100 * counts[covered] / counts[total] if counts[total] else 100.0


def shortfalls(report: Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]) -> list[str]:
    """One line for each area of a coverage.json report that lies below its floor."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path, found in report["files"].items():
        app = Path(path).parts[0]
        for area in {"everything", app} & {"everything", *DOMAIN_APPS}:
            for name in COUNTED:
                counts[area][name] += found["summary"][name]
    said = []
    for area, summary in sorted(counts.items()):
        floor = EVERYTHING if area == "everything" else DOMAIN
        lines = _percent(summary, "covered_lines", "num_statements")
        branches = _percent(summary, "covered_branches", "num_branches")
        print(f"coverage of {area}: {lines:.1f} % of lines, {branches:.1f} % of branches")
        if lines < floor.lines or branches < floor.branches:
            said.append(f"{area} is below {floor.lines} % of lines, {floor.branches} % of branches")
    return said


def main() -> int:
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    said = shortfalls(report)
    for line in said:
        print(line, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
