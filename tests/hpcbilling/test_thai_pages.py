"""No text of a library appears in English on a Thai page.

Every page that can be reached by links is opened in Thai, and each text that has no translation is
noted. Our own texts are the catalogue check's matter (`make lint`).
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import django
import pytest
from django.test import Client
from django.utils.translation import trans_real

from accounts.models import User
from hpcbilling import catalogues, library_texts
from hpcbilling.library_texts import celery_beat, console, rest_framework
from hpcbilling.library_texts import django as django_texts
from hpcbilling.source_texts import texts_of
from tests.rules import scene

LIBRARIES = {
    celery_beat: ["django_celery_beat"],
    console: ["unfold", "import_export", "axes"],
    django_texts: [
        *("django/contrib/auth", "django/contrib/admin", "django/core", "django/db"),
        *("django/forms", "django/utils", "django/views"),
    ],
    rest_framework: ["rest_framework"],
}
OUTSIDE = ("/static", "/logout", "/admin/logout", "/api/schema")
# The names of languages are passed through the catalogue once more after they were translated.
ALREADY_THAI = re.compile("[ก-๙]")


def same_kind(url: str) -> str:
    """The same for addresses that differ in a key or in filters only."""
    path, query, _ = url.partition("?")
    return re.sub(r"[0-9a-f-]{36}|\d+", "N", path) + query


def pages(client: Client) -> Iterator[str]:
    """Open every kind of page once, from the home page and the console on; yields addresses."""
    queue, seen = ["/", "/admin/", "/no-such-page"], Counter[str]()
    done = set()
    while queue:
        url = queue.pop(0)
        if url in done or not url.startswith("/") or url.startswith(OUTSIDE):
            continue
        done.add(url)
        seen[same_kind(url)] += 1
        if seen[same_kind(url)] > 1:
            continue
        response = client.get(url)
        assert response.status_code < 500, url
        if response.status_code in {301, 302}:
            queue.append(response["Location"])
        elif "text/html" in response.headers.get("Content-Type", "") and not response.streaming:
            links = re.findall(r'href="([^"#]+)', response.text)
            queue += [urljoin(url, html.unescape(link)) for link in links]
        yield url


@pytest.fixture
def untranslated(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Texts that were asked for in Thai and are not in any catalogue."""
    found = set()
    singular = trans_real.DjangoTranslation.gettext
    plural = trans_real.DjangoTranslation.ngettext

    def gettext(self: Any, message: str) -> str:
        if self.language() == "th" and message not in self._catalog:
            found.add(message)
        return singular(self, message)

    def ngettext(self: Any, message: str, several: str, count: int) -> str:
        if self.language() == "th":
            try:
                self._catalog.plural(message, count)
            except KeyError:
                found.add(message)
        return plural(self, message, several, count)

    monkeypatch.setattr(trans_real.DjangoTranslation, "gettext", gettext)
    monkeypatch.setattr(trans_real.DjangoTranslation, "ngettext", ngettext)
    return found


def our_texts() -> set[str]:
    return {
        (f"{message.context}\x04" if message.context else "")
        + (message.id if isinstance(message.id, str) else message.id[0])
        for message in catalogues.extracted()
    }


@pytest.mark.slow
@pytest.mark.django_db
def test_libraries_speak_thai_on_every_page(untranslated: set[str]) -> None:
    scene.build()
    User.objects.create_superuser("admin")
    for name, fewest in (("admin", 100), ("alice", 15)):
        client = Client(headers={"Accept-Language": "th"})
        client.force_login(User.objects.get(username=name))
        assert len(list(pages(client))) > fewest
    found = {text for text in untranslated if text.strip() and not ALREADY_THAI.search(text)}
    assert sorted(found - our_texts()) == []


def test_texts_of_libraries_are_still_theirs() -> None:
    site = Path(django.__file__).parents[1]
    for module, folders in LIBRARIES.items():
        theirs = set()
        for folder in folders:
            for path in sorted((site / folder).rglob("*")):
                if path.suffix in {".py", ".html"} and "tests" not in path.parts:
                    theirs |= {(text.forms, text.context) for text in texts_of(path)}
        ours = {(text.forms, text.context) for text in texts_of(Path(str(module.__file__)))}
        assert len(ours) == len(module.TEXTS)
        assert ours - theirs == set(), module.__name__


def test_every_module_of_library_texts_is_checked() -> None:
    folder = Path(str(library_texts.__file__)).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    modules = {import_module(f"hpcbilling.library_texts.{name}") for name in names}
    assert modules == set(LIBRARIES)
