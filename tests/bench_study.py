"""A study of a draft against one plain pass over the same charges: its time, and its memory."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.db import connection

from accounts.models import Tier
from core.intervals import Interval
from pricing.content import flat
from pricing.models import Charge, PriceList
from pricing.services import Head, draft_price_list
from pricing.study import study
from tests import factories
from tests.bench_rows import FIRST_END, WINDOW_END

TAKES = 3
PLAIN = """
    SELECT project_id, resource, sum(amount), sum(quantity), count(*) FROM pricing_charge
     WHERE job_end >= %s AND job_end < %s GROUP BY 1, 2
"""


def seconds_of_study() -> tuple[float, float, int]:
    """The best of some takes: the study, the plain pass, and how many charges both read."""
    draft = _draft()
    window = Interval(FIRST_END, WINDOW_END)
    plain = _best(lambda: _plain(window))
    studied = _best(lambda: study(price_list=draft, window=window))
    return studied, plain, Charge.objects.count()


def _plain(window: Interval) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PLAIN, [window.start, window.end])
        cursor.fetchall()


def _best(act: Callable[[], object]) -> float:
    found = []
    for _take in range(TAKES):
        start = time.perf_counter()
        act()
        found.append(time.perf_counter() - start)
    return min(found)


def _draft() -> PriceList:
    prices = {"cpu": Decimal("0.8"), "mem": Decimal("0.06"), "gpu": Decimal("11.5")}
    head = Head(FIRST_END, "THB", tier=Tier.objects.get(code="mu"))
    return draft_price_list(head=head, content=flat(prices), actor=factories.SYSTEM)


def hold(days: int, *, thorough: bool) -> None:
    """Study so many days in this process and print the most memory that it held, in MiB."""
    draft = PriceList.objects.filter(status="draft").latest("pk")
    window = Interval(FIRST_END, FIRST_END + timedelta(days=days))
    study(price_list=draft, window=window, thorough=thorough)
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def memory(*, thorough: bool) -> tuple[int, int]:
    """The peaks of a study of three days and of thirty, in MiB, in a process each."""
    return _peak(3, thorough=thorough), _peak(30, thorough=thorough)


def _peak(days: int, *, thorough: bool) -> int:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "--command"]
    script = f"from tests import bench_study; bench_study.hold({days}, thorough={thorough})"
    done = subprocess.run([*command, script], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])
