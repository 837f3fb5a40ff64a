"""The catalogue tool finds every text, keeps translations, and names whatever is wrong."""

import gettext
import os
from pathlib import Path

import pytest
from django.utils import translation

from hpcbilling import catalogues
from hpcbilling.checks import catalogues_are_compiled

SHOP = '''
from django.utils import translation as tr
from django.utils.translation import gettext as _, gettext_lazy as later, ngettext, pgettext
from elsewhere import gettext

ALSO = tr.gettext_noop("Open")
NOT_OURS = gettext("Not translated here")
TITLE = later("Shop")


def greet(name, count):
    """A docstring is no text."""
    _(
        "Good morning, "
        "%(name)s"
    )
    # Translators: the month, not the verb
    pgettext("month", "March")
    ngettext("%(count)s job", "%(count)s jobs", count)
    return _(name)
'''
PAGE = """
{% load i18n %}
  <p title="{% translate "It's 5 % off" %}">
     {% blocktranslate with who=user.name %}Hello {{ who }}
{% endblocktranslate %}</p>
{% blocktranslate count n=jobs trimmed %}
    one job
{% plural %}
    {{ n }} <b>jobs</b>
{% endblocktranslate %}
{% include "x.html" with title=_("Given") %}
{{ value|default:_("Nothing") }} {% translate "May" context "month" %}
{% comment %}{% translate "Unused" %}{% endcomment %}
<p>Don't ("break" the reader
"""
EMPTY = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
TRANSLATIONS = {
    "Shop": "ร้านค้า",
    "Good morning, %(name)s": "สวัสดี %(name)s",
    "March": "มีนาคม",
    "Open": "เปิด",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one package and one Thai catalogue without texts."""
    package = tmp_path / "shop"
    (package / "migrations").mkdir(parents=True)
    (package / "templates").mkdir()
    (package / "apps.py").write_text("", encoding="utf-8")
    (package / "shop.py").write_text(SHOP, encoding="utf-8")
    (package / "migrations" / "0001.py").write_text('_("Migration")', encoding="utf-8")
    (package / "notes.html").write_text('{% translate "Not a template" %}', encoding="utf-8")
    catalogue = tmp_path / "locale" / "th" / "LC_MESSAGES" / "django.po"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_text(EMPTY, encoding="utf-8")
    return tmp_path


def po(project: Path) -> Path:
    return project / "locale" / "th" / "LC_MESSAGES" / "django.po"


def translate_all(project: Path, **changes: str) -> None:
    """Translate the shop's texts; `changes` gives other translations by the text's first word."""
    catalogues.update(project)
    catalogue = catalogues.read(po(project), "th")
    for message in catalogue:
        if message.pluralizable:
            message.string = ("%(count)s งาน",)
        elif message.id:
            text = str(message.id)
            message.string = changes.get(text.split(maxsplit=1)[0], TRANSLATIONS[text])
    po(project).write_text(catalogues.written(catalogue, "th"), encoding="utf-8")


def test_texts_of_python_are_found(project: Path) -> None:
    found = {(message.id, message.context) for message in catalogues.extracted(project)}
    assert found - {("", None)} == {
        ("Open", None),
        ("Shop", None),
        ("Good morning, %(name)s", None),
        ("March", "month"),
        (("%(count)s job", "%(count)s jobs"), None),
    }


def test_texts_of_templates_are_found(project: Path) -> None:
    (project / "shop" / "shop.py").unlink()
    (project / "shop" / "templates" / "page.html").write_text(PAGE, encoding="utf-8")
    found = {(message.id, message.context) for message in catalogues.extracted(project)}
    assert found - {("", None)} == {
        ("It's 5 %% off", None),
        ("Hello %(who)s\n", None),
        (("one job", "%(n)s <b>jobs</b>"), None),
        ("Given", None),
        ("Nothing", None),
        ("May", "month"),
    }


def test_update_keeps_translations_and_drops_what_is_unused(project: Path) -> None:
    translate_all(project)
    before = po(project).read_text(encoding="utf-8")
    catalogues.update(project)
    assert po(project).read_text(encoding="utf-8") == before
    assert catalogues.check(project) == {"th": []}

    source = project / "shop" / "shop.py"
    source.write_text(SHOP.replace('"Shop"', '"Store"'), encoding="utf-8")
    assert catalogues.check(project)["th"] == [
        "“Store” is missing: run with --update, then translate it",
        "“Shop” is not used any more: run with --update",
    ]
    catalogues.update(project)
    assert catalogues.check(project) == {"th": ["“Store” is not translated"]}
    assert "ร้านค้า" not in po(project).read_text(encoding="utf-8")


def test_a_catalogue_names_no_places_and_has_no_dates(project: Path) -> None:
    catalogues.update(project)
    text = po(project).read_text(encoding="utf-8")
    assert "shop.py" not in text
    assert "Date" not in text
    assert "#. Translators: the month, not the verb" in text


@pytest.mark.parametrize(
    ("translated", "complaint"),
    [
        ("สวัสดี", "has other placeholders"),
        ("สวัสดี %(nme)s", "has other placeholders"),
        ("สวัสดี %(name)s %(name)s", "has other placeholders"),
        ("<b>สวัสดี</b> %(name)s", "has other tags"),
        ("สวัสดี %(name)s\n", "ends with a newline only on one side"),
        ("\nสวัสดี %(name)s", "begins with a newline only on one side"),
        ("", "is not translated"),
    ],
)
def test_a_wrong_translation_is_named(project: Path, translated: str, complaint: str) -> None:
    translate_all(project, Good=translated)
    (fault,) = catalogues.check(project)["th"]
    assert fault.startswith("“Good morning, %(name)s” ")
    assert complaint in fault


def test_a_fuzzy_translation_and_a_missing_plural_are_named(project: Path) -> None:
    translate_all(project)
    text = po(project).read_text(encoding="utf-8")
    text = text.replace('msgid "Shop"', '#, fuzzy\nmsgid "Shop"')
    po(project).write_text(text.replace('"%(count)s งาน"', '""'), encoding="utf-8")
    assert catalogues.check(project)["th"] == [
        "“%(count)s job” is not translated",
        "“Shop” is marked fuzzy",
    ]


def test_compiled_when_missing_or_stale(project: Path) -> None:
    translate_all(project)
    compiled = po(project).with_suffix(".mo")
    assert not catalogues.is_compiled(po(project))
    catalogues.compile_all(project)
    with compiled.open("rb") as stream:
        texts = gettext.GNUTranslations(stream)
    assert texts.gettext("Shop") == "ร้านค้า"
    assert texts.pgettext("month", "March") == "มีนาคม"
    assert texts.ngettext("%(count)s job", "%(count)s jobs", 1) == "%(count)s งาน"

    written = compiled.stat().st_mtime_ns
    catalogues.compile_all(project)
    assert compiled.stat().st_mtime_ns == written
    os.utime(compiled, ns=(0, 0))
    assert not catalogues.is_compiled(po(project))
    catalogues.compile_all(project)
    assert compiled.stat().st_mtime_ns >= written
    assert not list(compiled.parent.glob("*.tmp"))


def test_command_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogues.main(["--compile"]) == 0
    monkeypatch.setattr(catalogues, "check", lambda: {"th": ["“Shop” is not translated"]})
    assert catalogues.main(["--check"]) == 1
    assert capsys.readouterr().err == "th: “Shop” is not translated\n"


def test_a_deployment_without_compiled_texts_is_warned(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert catalogues_are_compiled() == []
    monkeypatch.setattr(catalogues, "catalogue_files", lambda: {"th": po(project)})
    (warning,) = catalogues_are_compiled()
    assert warning.id == "hpcbilling.W001"
    assert "The texts in th are not compiled" in warning.msg


def test_every_installation_compiles() -> None:
    command = "hpcbilling.catalogues --compile"
    for name in ("Dockerfile", "Makefile", "docs/operations.md"):
        assert command in (catalogues.PROJECT / name).read_text(encoding="utf-8"), name


def test_a_receipt_is_never_called_proof_of_payment() -> None:
    """docs/glossary.md says why. What is given for money that came, an official receipt, is one."""
    text = catalogues.catalogue_files()["th"].read_text(encoding="utf-8")
    assert "ใบแจ้งหนี้" in text
    assert "ใบเสร็จ" not in text.replace("ใบเสร็จรับเงิน", "")
    with translation.override("th"):
        assert "ใบเสร็จ" not in translation.gettext("receipt")


def test_thai_is_spoken() -> None:
    with translation.override("th"):
        assert translation.gettext("Issued") == "ออกแล้ว"
