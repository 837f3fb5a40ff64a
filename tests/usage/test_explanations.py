"""Every code that a file or row can be refused with is explained to people."""

import ast
from pathlib import Path

import usage.sources
from usage.explanations import REASONS, REFUSALS
from usage.reasons import Reason


def test_every_reason_is_explained() -> None:
    assert set(REASONS) == {reason.value for reason in Reason}


def test_every_refusal_is_explained() -> None:
    codes = set()
    for path in Path(usage.sources.__path__[0]).parent.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name in ("FileRefused", "NotOurs"):
                code = node.args[0]
                assert isinstance(code, ast.Constant)
                codes.add(code.value)
    assert codes == set(REFUSALS)
