"""`python -m hpcbilling.catalogues [--update | --check | --compile]`: the message catalogues.

Source texts are English and stand in the code; each other language has one catalogue in
`locale/<language>/LC_MESSAGES/django.po`, which is kept in version control, and the compiled
`django.mo` beside it, which is not. Pure Python: neither GNU gettext nor settings are needed.

Catalogues are written sorted and without places in the source, so that two branches that add texts
merge without conflict in most cases. Nothing is ever guessed: a new text is empty until a person
translates it, and an unused one is dropped.
"""

import argparse
import io
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from hpcbilling.source_texts import texts_of

PROJECT = Path(__file__).resolve().parent.parent
SOURCE_LANGUAGE = "en"
LEFT_OUT = frozenset({"migrations", "tests"})
TEMPLATE_SUFFIXES = frozenset({".html", ".txt", ".svg", ".xml", ".typ"})

PLACEHOLDER = re.compile(r"%\(\w+\)[#0 +-]*\d*(?:\.\d+)?[a-zA-Z]|%[sdrf]|%%|\{\w*(?::[^{}]*)?\}")
TAG = re.compile(r"</?[a-z][a-z0-9]*")
HEADER = """\
msgid ""
msgstr ""
"Project-Id-Version: hpcbilling\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"

"""


def sources(root: Path = PROJECT) -> Iterator[Path]:
    """The files that texts are taken from: our packages' Python and all templates, sorted."""
    tops = sorted(
        path for path in root.iterdir() if (path / "apps.py").exists() or path.name == "templates"
    )
    for top in tops:
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(root).parts[:-1]
            is_template = "templates" in inside and path.suffix in TEMPLATE_SUFFIXES
            if (is_template or path.suffix == ".py") and not LEFT_OUT.intersection(inside):
                yield path


def extracted(root: Path = PROJECT) -> Catalog:
    """All texts of the project, untranslated."""
    catalog = Catalog(locale=SOURCE_LANGUAGE)
    for path in sources(root):
        for text in texts_of(path):
            forms = text.forms if len(text.forms) > 1 else text.forms[0]
            catalog.add(forms, context=text.context, auto_comments=text.comments)
    return catalog


def catalogue_files(root: Path = PROJECT) -> dict[str, Path]:
    """The catalogues by language."""
    found = sorted(root.glob("locale/*/LC_MESSAGES/django.po"))
    return {path.parents[1].name: path for path in found}


def read(path: Path, language: str) -> Catalog:
    """Read a catalogue."""
    with path.open("rb") as stream:
        return read_po(stream, locale=language, abort_invalid=True)


def merged(texts: Catalog, old: Catalog, language: str) -> Catalog:
    """The texts of the source with the translations that there are, fuzzy marks kept."""
    new = Catalog(locale=language)
    for message in _messages(texts):
        known = old.get(_key(message), message.context)
        same = known is not None and _forms(known.id) == _forms(message.id)
        entry = new.add(
            message.id,
            string=known.string if known is not None and same else None,
            auto_comments=message.auto_comments,
            user_comments=known.user_comments if known is not None and same else (),
            context=message.context,
        )
        if known is not None and same and known.fuzzy:
            entry.flags.add("fuzzy")
    return new


def written(catalog: Catalog, language: str) -> str:
    """A catalogue as its file's text."""
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=0, omit_header=True, no_location=True, sort_output=True)
    header = HEADER.format(language=language, plural_forms=catalog.plural_forms)
    return header + buffer.getvalue().decode().strip("\n") + "\n"


def problems(texts: Catalog, translations: Catalog) -> list[str]:
    """Everything that keeps a catalogue from being complete and right, by text."""
    found: list[str] = []
    for message in _messages(texts):
        known = translations.get(_key(message), message.context)
        if known is None or _forms(known.id) != _forms(message.id):
            found.append(f"{_quoted(message)} is missing: run with --update, then translate it")
            continue
        faults = _faults(known, translations.num_plurals)
        found += [f"{_quoted(message)} {fault}" for fault in faults]
    used = {(_key(message), message.context) for message in _messages(texts)}
    for message in _messages(translations):
        if (_key(message), message.context) not in used:
            found.append(f"{_quoted(message)} is not used any more: run with --update")
    return found


def _faults(message: Message, plural_forms: int) -> Iterator[str]:
    sources_, strings = _forms(message.id), _forms(message.string)
    if message.fuzzy:
        yield "is marked fuzzy"
    if not all(strings):
        yield "is not translated"
        return
    wanted_forms = plural_forms if message.pluralizable else 1
    if len(strings) != wanted_forms:
        yield f"has {len(strings)} plural forms instead of {wanted_forms}"
    for string in strings:
        # A plural's forms may differ among themselves ("one job", "%(count)s jobs").
        yield from _differences([sources_[-1], sources_[0]], string)


def _differences(originals: Sequence[str], string: str) -> Iterator[str]:
    for name, pattern in (("placeholders", PLACEHOLDER), ("tags", TAG)):
        allowed = [Counter(pattern.findall(original)) for original in originals]
        if Counter(pattern.findall(string)) not in allowed:
            yield f"has other {name} in its translation “{string}”"
    for name, edge in (("begins", str.startswith), ("ends", str.endswith)):
        if edge(originals[0], "\n") != edge(string, "\n"):
            yield f"{name} with a newline only on one side"


def _messages(catalog: Catalog) -> Iterable[Message]:
    found = (message for message in catalog if message.id)
    return sorted(found, key=lambda message: (_key(message), message.context or ""))


def _key(message: Message) -> str:
    return _forms(message.id)[0]


def _forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str | None) else tuple(text)


def _quoted(message: Message) -> str:
    context = f" ({message.context})" if message.context else ""
    return f"“{_key(message)}”{context}"


def update(root: Path = PROJECT) -> None:
    """Bring the catalogues' texts in line with the source."""
    texts = extracted(root)
    for language, path in catalogue_files(root).items():
        path.write_text(
            written(merged(texts, read(path, language), language), language), encoding="utf-8"
        )


def check(root: Path = PROJECT) -> dict[str, list[str]]:
    """The problems of each language's catalogue; all empty when they are complete."""
    texts = extracted(root)
    return {
        language: problems(texts, read(path, language))
        for language, path in catalogue_files(root).items()
    }


def compile_all(root: Path = PROJECT, *, force: bool = False) -> None:
    """Write the compiled catalogues that are older than their source."""
    for language, path in catalogue_files(root).items():
        target = path.with_suffix(".mo")
        if force or not is_compiled(path):
            _write_compiled(read(path, language), target)


def is_compiled(path: Path) -> bool:
    """Whether a catalogue's compiled form is there and not older than it."""
    target = path.with_suffix(".mo")
    return target.exists() and target.stat().st_mtime_ns >= path.stat().st_mtime_ns


def _write_compiled(catalog: Catalog, target: Path) -> None:
    """Write through a file of its own, so that a process that reads meanwhile sees a whole one."""
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".tmp", delete=False) as stream:
        write_mo(stream, catalog)
    Path(stream.name).chmod(0o644)
    os.replace(stream.name, target)  # noqa: PTH105 - Path.replace would do the same


def _report(found: Mapping[str, Sequence[str]]) -> int:
    for language, faults in found.items():
        for fault in faults:
            print(f"{language}: {fault}", file=sys.stderr)  # noqa: T201 - speaks to a person
    return 1 if any(found.values()) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done, or nothing wrong; 1: `--check` found something."""
    parser = argparse.ArgumentParser(prog="python -m hpcbilling.catalogues", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--update", action="store_true", help="take up the source's texts")
    what.add_argument("--check", action="store_true", help="name everything incomplete or wrong")
    what.add_argument("--compile", action="store_true", help="write django.mo beside django.po")
    options = parser.parse_args(arguments)
    if options.update:
        update()
    elif options.compile:
        compile_all()
    else:
        return _report(check())
    return 0


if __name__ == "__main__":
    sys.exit(main())
