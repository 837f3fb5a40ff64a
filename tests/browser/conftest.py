"""A real server on a database of its own, and a real browser that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from django.conf import settings
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from tests import databases

# Playwright's event loop runs in the test's thread; the ORM would take it for an async view.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)  # fmt: skip
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# As long as pages get to load: a busy machine is no defect of a page.
expect.set_options(timeout=20_000)
PICTURES = Path(__file__).parents[2] / "test-artifacts" / "pictures"


@dataclass(frozen=True)
class Site:
    """A running web server and the database behind it."""

    url: str
    database: databases.Database


def browser_path() -> str | None:
    found = (shutil.which(name) for name in BROWSERS)
    return next((path for path in found if path), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or what stands in for it. CI must have one; others may lack it."""
    path = browser_path()
    if path is None:
        message = "no Chromium or Chrome was found (Debian: apt install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def scene() -> Callable[[], None]:
    """What a module's site holds at its start; a module overrides this."""
    return lambda: None


@pytest.fixture(scope="module")
def site(
    worker_database: str, django_db_blocker: DjangoDbBlocker, scene: Callable[[], None]
) -> Iterator[Site]:
    """The product's own web server on a fresh clone of the migrated database."""
    name = f"{worker_database}_browser"
    with django_db_blocker.unblock(), ExitStack() as stack:
        database = databases.clone(name)
        stack.callback(databases.drop, name)
        databases.point_at(name)
        stack.callback(databases.point_at, worker_database)
        scene()
        yield Site(stack.enter_context(_server(database)), database)


@contextmanager
def _server(database: databases.Database) -> Iterator[str]:
    """Run gunicorn on a free port; yields its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {
        **os.environ,
        "DATABASE_URL": database.url,
        "REDIS_URL": str(settings.REDIS_URL),
        "SITE_BASE_URL": f"http://{address}",
        "LOG_LEVEL": "ERROR",
    }
    command = [
        sys.executable, "-m", "gunicorn", "hpcbilling.wsgi", "--bind", address,
        "--worker-class", "gthread", "--threads", "4", "--log-level", "warning",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=environment)
    try:
        _wait_for(f"http://{address}/healthz", process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise RuntimeError("the web server did not start")


@dataclass
class Visitor:
    """A person at a browser: pages open at the site's address, and the console must stay clean."""

    page: Page
    url: str
    complaints: list[str]

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def log_in(self, name: str, then: str = "/") -> None:
        """Log in with a password that is the name."""
        self.go(f"/login/?next={then}")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", name)
        self.page.click("form.stacked button")
        self.page.wait_for_url(self.url + then)

    def picture(self, name: str) -> None:
        """Keep a picture of the page for people to look at, and check that nothing overflows."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
        width = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0, f"{name}: the page is {width} px wider than the window"


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Callable[..., Visitor]]:
    """Make visitors, each with cookies of their own; errors in their consoles fail the test."""
    visitors: list[Visitor] = []
    with ExitStack() as stack:

        def make(language: str = "en", width: int = 1280) -> Visitor:
            context = browser.new_context(
                locale=language,
                viewport={"width": width, "height": 900},
                extra_http_headers={"Accept-Language": language},
            )
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            complaints: list[str] = []

            def listen(message: ConsoleMessage) -> None:
                if message.type == "error":
                    complaints.append(f"{message.text} {message.location['url']}")

            page.on("console", listen)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            visitors.append(Visitor(page, site.url, complaints))
            return visitors[-1]

        yield make
        assert [text for visitor in visitors for text in visitor.complaints] == []
