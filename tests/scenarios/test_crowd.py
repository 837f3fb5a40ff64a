"""Eight people at once draft, issue, void, credit, pay, refund, write off and close months, all at
the same few documents and by every door: whatever they do, the books balance.

Each has a chance of its own, from a seed that is told when something breaks; CROWD_SEED repeats it
as far as the machine's timing lets.
"""

import os
import random
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from threading import Barrier

import pytest
from django.db import connections
from pytest_django import Settings

from core.errors import DomainError
from hpcbilling.workflows import rate_pending
from receipts.models import BillingRun, Receipt
from tests.databases import Database
from tests.factories import SYSTEM
from tests.scenarios.crowd import books
from tests.scenarios.crowd.pages import PAGES
from tests.scenarios.crowd.people import Site, Worker, build
from tests.scenarios.crowd.steps import STEPS

EIGHT = 8
ALL = {**STEPS, **PAGES}


def tried(worker: Worker, name: str) -> str:
    """What became of one step; a defect is told with where it is."""
    try:
        told = ALL[name](worker)
    except DomainError as refusal:
        return f"{name}: {refusal.code}" if str(refusal) else f"! {name}: refused without a word"
    except Exception:  # noqa: BLE001 - told to the test, which fails on it
        return f"! {name}: {traceback.format_exc()}"
    return f"{name}: {told if isinstance(told, str) else 'done'}"


def work(seed: str, site: Site, together: Barrier, steps: int, number: int) -> list[str]:
    """One of the crowd. Threads, not processes: what renders PDFs survives no fork."""
    try:
        chance = random.Random(f"{seed}/{number}")
        worker = Worker(number, chance, site)
        together.wait(60)
        return [tried(worker, chance.choice(list(ALL))) for _step in range(steps)]
    finally:
        connections.close_all()


def crowd(seed: str, site: Site, steps: int) -> list[str]:
    """Let eight work at once; returns what became of each step."""
    together = Barrier(EIGHT)
    with ThreadPoolExecutor(EIGHT) as pool:
        acts = pool.map(partial(work, seed, site, together, steps), range(EIGHT), timeout=500)
        told = [text for texts in acts for text in texts]
    broken = [text for text in told if text.startswith("!")]
    assert not broken, f"CROWD_SEED={seed}\n" + "\n".join(broken)
    return told


@pytest.fixture
def site(committed_db: Database, settings: Settings) -> Site:
    settings.CORRECTION_THRESHOLD = {"THB": Decimal(1)}
    settings.ADJUSTMENT_LIMIT = {"THB": Decimal(15)}
    return build()


def holds(seed: str) -> None:
    """The books balance, and still do when what waits is rated and corrected."""
    try:
        books.hold()
        rate_pending(actor=SYSTEM)
        books.hold()
    except AssertionError as broken:
        raise AssertionError(f"CROWD_SEED={seed}: {broken}") from broken


def test_eight_at_the_same_documents_leave_books_that_balance(site: Site) -> None:
    seed = os.environ.get("CROWD_SEED", "few")
    told = Counter(crowd(seed, site, steps=6))
    assert sum(told.values()) == 6 * EIGHT
    assert sum(told[text] for text in told if text.endswith("done")) > EIGHT
    holds(seed)


@pytest.mark.slow
@pytest.mark.parametrize("which", range(3))
def test_long_crowds_leave_books_that_balance(site: Site, which: int) -> None:
    seed = os.environ.get("CROWD_SEED", f"{time.time_ns()}-{which}")
    told: Counter[str] = Counter()
    for part in range(4):
        told.update(crowd(f"{seed}-{part}", site, steps=25))
        holds(f"{seed}-{part}")
    done = {text.partition(":")[0] for text in told if text.endswith(("done", "success"))}
    assert len(done) > len(STEPS) / 2, told
    assert BillingRun.objects.exists()
    assert Receipt.objects.filter(kind="credit_note").exists()
