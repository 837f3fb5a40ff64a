"""``manage.py usage_totals``: the table, its JSON, and how it is refused."""

import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from tests.factories import Row, import_rows, make_cluster

pytestmark = pytest.mark.django_db
SPAN = ("--since", "2026-10-14", "--until", "2026-10-15")


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("usage_totals", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def cluster() -> None:
    """A job of four hours around a midnight of UTC, and one that is unfinished."""
    gpus = "cpu=4,mem=8192M,node=2,gres/gpu=1"
    import_rows(
        make_cluster(),
        Row(1, end=datetime(2026, 10, 15, 1, tzinfo=UTC), seconds=4 * 3600, tres=gpus),
        Row(2, end=datetime(2026, 10, 15, 9, tzinfo=UTC), seconds=1, state="RUNNING", user="bob"),
    )


@pytest.mark.usefixtures("cluster")
def test_the_table() -> None:
    lines = [" ".join(line.split()) for line in run("alpha", *SPAN).splitlines()]
    assert lines[1] == "2026-10-14 1 0 1 0 12.0000 3.0000 6.0000 3.0000"
    assert lines[2] == "2026-10-15 1 1 2 1 4.0011 1.0000 2.0003 1.0003"
    assert lines[3] == "total 2 1 2 1 16.0011 4.0000 8.0003 4.0003"
    assert lines[4] == "Days of UTC, from 2026-10-14 to 2026-10-15, both included."


@pytest.mark.usefixtures("cluster")
def test_json_has_exact_seconds_and_the_zone() -> None:
    told = json.loads(run("alpha", *SPAN, "--timezone", "Asia/Bangkok", "--json"))
    assert told["time_zone"] == "Asia/Bangkok"
    assert [row["day"] for row in told["rows"]] == ["2026-10-14", "2026-10-15"]
    # 21:00 UTC is already the next day in Bangkok.
    assert [row["cpu_seconds"] for row in told["rows"]] == [0, 16 * 3600 + 4]
    assert told["total"]["cpu_hours"] == 16.0011
    assert told["total"]["jobs_ended"] == 1
    by_user = json.loads(run("alpha", *SPAN, "--by", "user", "--json"))
    assert [(row["user"], row["gpu_seconds"]) for row in by_user["rows"]] == [
        ("alice", 4 * 3600),
        ("bob", 0),
    ]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("beta", *SPAN), "known: alpha"),
        (("alpha", *SPAN, "--timezone", "Mars/Base"), "not a time zone"),
        (("alpha", "--since", "2026-10-16", "--until", "2026-10-15"), "must not be after"),
        (("alpha", "--since", "1900-01-01", "--until", "2026-10-15"), "from 1971-01-01 to"),
        (("alpha", "--since", "yesterday", "--until", "2026-10-15"), "“yesterday” is not a day"),
    ],
)
def test_what_is_wrong_is_said(args: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        run(*args)
    assert refused.value.returncode == (1 if "yesterday" in args else 2)
