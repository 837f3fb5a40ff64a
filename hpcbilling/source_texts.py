"""Finding the texts to translate in a source file. Pure: no settings, nothing is imported.

In Python a call counts when its function comes from `django.utils.translation`, under whatever name
it was imported; in templates the tags count that Django itself knows.
"""

import ast
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.extract import extract
from django.utils.translation.template import templatize

ARGUMENTS = {
    "gettext": (None, 0, None),
    "ngettext": (None, 0, 1),
    "pgettext": (0, 1, None),
    "npgettext": (0, 1, 2),
}
"""Positions of context, text and plural, by the function's name without `_lazy` or `_noop`."""

IN_TEMPLATES: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
MODULE = "django.utils.translation"
COMMENT = "Translators:"


@dataclass(frozen=True)
class Text:
    """A text as it stands in the source: one form or two, its context, remarks for translators."""

    forms: tuple[str, ...]
    context: str | None = None
    comments: tuple[str, ...] = ()


def texts_of(path: Path) -> Iterator[Text]:
    """Yield each text of a Python file or a template."""
    source = path.read_text(encoding="utf-8")
    yield from _of_python(source) if path.suffix == ".py" else _of_template(source, str(path))


def _of_template(source: str, name: str) -> Iterator[Text]:
    # What is left of the template's own words has meaningless indentation.
    lines = (line.lstrip() for line in templatize(source, origin=name).splitlines())
    found = extract(
        "python",
        io.BytesIO("\n".join(lines).encode()),
        keywords=IN_TEMPLATES,
        comment_tags=(COMMENT,),
    )
    for _line, text, comments, context in found:
        forms = (text,) if isinstance(text, str) else tuple(text)
        yield Text(forms, context, tuple(comments))


def _of_python(source: str) -> Iterator[Text]:
    tree, lines = ast.parse(source), source.splitlines()
    names = _imported(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        places = ARGUMENTS.get(_function(call.func, names))
        if places is None:
            continue
        context, text, plural = (_constant(call, place) for place in places)
        if text is not None and (plural is not None or places[2] is None):
            forms = (text,) if plural is None else (text, plural)
            yield Text(forms, context, _remark(lines, call.lineno))


def _imported(tree: ast.Module) -> dict[str, str]:
    """Names that stand for functions of the translation module (or for it), by local name."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == MODULE:
            names |= {item.asname or item.name: item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == MODULE.rpartition(".")[0]:
            names |= {item.asname or item.name: "" for item in node.names if item.name in MODULE}
    return names


def _function(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        name = node.attr if names.get(node.value.id) == "" else ""
    else:
        name = names.get(node.id, "") if isinstance(node, ast.Name) else ""
    return name.removesuffix("_lazy").removesuffix("_noop")


def _constant(call: ast.Call, place: int | None) -> str | None:
    if place is None or place >= len(call.args):
        return None
    argument = call.args[place]
    found = argument.value if isinstance(argument, ast.Constant) else None
    return found if isinstance(found, str) else None


def _remark(lines: list[str], line: int) -> tuple[str, ...]:
    above = lines[line - 2].strip() if line > 1 else ""
    return (above.removeprefix("# "),) if above.startswith(f"# {COMMENT}") else ()
