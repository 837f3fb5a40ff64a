from tests.coverage_floors import shortfalls


def report(
    lines: int, branches: int, path: str = "pricing/engine.py"
) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    counts = {
        "covered_lines": lines,
        "num_statements": 100,
        "covered_branches": branches,
        "num_branches": 100,
    }
    return {"files": {path: {"summary": counts}}}


def test_enough_of_both_passes() -> None:
    assert shortfalls(report(90, 80)) == []
    assert shortfalls(report(85, 75, "insights/views.py")) == []


def test_too_few_branches_fail_however_many_lines_are_covered() -> None:
    assert shortfalls(report(100, 74, "insights/views.py")) == [
        "everything is below 85 % of lines, 75 % of branches"
    ]


def test_domain_apps_have_a_higher_floor() -> None:
    assert shortfalls(report(89, 79)) == ["pricing is below 90 % of lines, 80 % of branches"]
