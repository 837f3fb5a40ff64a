from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.usage.sacct_rows import NOW
from usage.reasons import Reason, RowError
from usage.times import Clock, seconds

BERLIN = ZoneInfo("Europe/Berlin")
BANGKOK = ZoneInfo("Asia/Bangkok")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4001", 4001),
        ("01:06:41", 4001),
        ("38-01:02:03", 38 * 86400 + 3723),
        ("100:00:00", 360000),
        ("23:59:59", 86399),
    ],
)
def test_durations(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1_000",
        "١٢",
        "1e3",
        "NaN",
        "2147483648",
        "9" * 5000,
        "00:60:00",
        "00:00:60",
        "1-24:00:00",
        "1-1:00:00",
        "999999-00:00:00",
        "06:41",
        "00:00:01.5",
        "INVALID",
        "Unknown",
        " 5",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|absurdly long"):
        seconds(text)


@pytest.mark.parametrize("zone", [ZoneInfo("UTC"), BANGKOK, BERLIN])
@pytest.mark.parametrize(
    "text",
    ["1795246005", "2026-11-21T07:26:45Z", "2026-11-21T14:26:45+07:00", "2026-11-21T14:26:45+0700"],
)
def test_times_that_need_no_zone(zone: ZoneInfo, text: str) -> None:
    assert Clock(zone, NOW).instant(text) == datetime(2026, 11, 21, 7, 26, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "hour"), [(ZoneInfo("UTC"), 7), (BANGKOK, 0), (BERLIN, 6), (ZoneInfo("Etc/UTC"), 7)]
)
@pytest.mark.parametrize("separator", ["T", " "])
def test_times_in_the_sources_zone(zone: ZoneInfo, hour: int, separator: str) -> None:
    found = Clock(zone, NOW).instant(f"2026-11-21{separator}07:26:45")
    assert found == datetime(2026, 11, 21, hour, 26, 45, tzinfo=UTC)
    assert found is not None
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["Unknown", "None", "", "N/A"])
def test_unset_times(text: str) -> None:
    assert Clock(BERLIN, NOW).instant(text) is None


@pytest.mark.parametrize("zone", [ZoneInfo("UTC"), BERLIN])
@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01T00:00:00",
        "2026-02-30T00:00:00",
        "2026-11-21T24:00:00",
        "2026-11-21T07:26:60",
        "2026-11-21",
        "2026-11-21T07:26",
        "2026-W47-6T07:26:45",
        "20261121T072645.123",
        "2026-11-21T072645.1",
        "2026-11-21T07:26:45.5",
        "2026-11-21T07:26:45+99:99",
        "٢٠٢٦-11-21T07:26:45",
        "2026-11-21T07:26:4٥",
        "-5",
        "1e9",
        "1_795_246_0",
        "1795246005.0",
        "9" * 5000,
        "11/21-07:26:45",
    ],
)
def test_what_is_no_time(zone: ZoneInfo, text: str) -> None:
    with pytest.raises(RowError) as caught:
        Clock(zone, NOW).instant(text)
    assert caught.value.reason is Reason.TIME


def moments(zone: ZoneInfo, submit: str, start: str, end: str, span: int) -> list[str]:
    found = Clock(zone, NOW).moments(submit, start, end, span)
    times = [time and datetime.fromtimestamp(time, UTC) for time in found]
    return [f"{time:%H:%M:%S}" if time else "" for time in times]


def test_a_job_across_the_repeated_hour() -> None:
    # Printed 02:08 → 02:14 on the night when Berlin's clocks go back from 3 to 2, and 4001 s long.
    assert moments(
        BERLIN, "2026-10-25T01:50:00", "2026-10-25T02:08:00", "2026-10-25T02:14:41", 4001
    ) == ["23:50:00", "00:08:00", "01:14:41"]


@pytest.mark.parametrize(
    ("submit", "start", "end", "span", "expected"),
    [
        # End is after the repeated hour, so the length tells when it began, and Submit is before.
        ("02:30:00", "02:30:05", "04:00:05", 9000, ["00:30:00", "00:30:05", "03:00:05"]),
        # It began in the second pass; Submit may have been in either.
        ("02:30:00", "02:30:05", "04:00:05", 5400, None),
        ("01:59:00", "02:30:05", "04:00:05", 5400, ["23:59:00", "01:30:05", "03:00:05"]),
        # Both ends in the same pass, but which?
        ("01:00:00", "02:10:00", "02:20:00", 600, None),
        ("01:00:00", "02:10:00", "02:20:00", 999, None),
        ("01:00:00", "02:10:00", "Unknown", 600, None),
        ("01:00:00", "None", "02:20:00", 0, None),
        ("02:30:00", "None", "None", 0, None),
        # Submitted at 02:59:59 first pass, began one second later, second pass.
        ("02:59:59", "02:00:00", "03:00:00", 3600, ["00:59:59", "01:00:00", "02:00:00"]),
    ],
)
def test_the_repeated_hour_is_resolved_or_left_alone(
    submit: str, start: str, end: str, span: int, expected: list[str] | None
) -> None:
    submit, start, end = (
        time if time[0] in "UN" else f"2026-10-25T{time}" for time in (submit, start, end)
    )
    if expected is None:
        with pytest.raises(RowError) as caught:
            moments(BERLIN, submit, start, end, span)
        assert caught.value.reason is Reason.AMBIGUOUS_TIME
    else:
        assert moments(BERLIN, submit, start, end, span) == expected


def test_an_hour_that_never_was() -> None:
    with pytest.raises(RowError) as caught:
        Clock(BERLIN, NOW).instant("2026-03-29T02:30:00")
    assert caught.value.reason is Reason.NONEXISTENT_TIME
    assert Clock(BERLIN, NOW).instant("2026-03-29T01:59:59") == datetime(
        2026, 3, 29, 0, 59, 59, tzinfo=UTC
    )
    assert Clock(BERLIN, NOW).instant("2026-03-29T03:00:00") == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_clocks_that_change_by_half_an_hour() -> None:
    clock = Clock(ZoneInfo("Australia/Lord_Howe"), NOW)  # 2026-04-05 02:00 → 01:30
    assert clock.instant("2026-04-05T01:29:59") == datetime(2026, 4, 4, 14, 29, 59, tzinfo=UTC)
    assert clock.instant("2026-04-05T02:00:00") == datetime(2026, 4, 4, 15, 30, tzinfo=UTC)
    # 01:45 twice, half an hour apart: 600 s long tells nothing, 2400 s tells all.
    found = clock.moments("2026-04-05T01:00:00", "2026-04-05T01:45:00", "2026-04-05T01:55:00", 2400)
    assert found[1] == datetime(2026, 4, 4, 14, 45, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("submit", "start", "end", "reason"),
    [
        ("1970-01-01T00:00:00", "2026-11-01T10:00:00", "2026-11-01T10:00:01", Reason.EPOCH_ZERO),
        ("2026-11-01T10:00:00", "1970-01-01T00:00:00", "2026-11-01T10:00:01", Reason.EPOCH_ZERO),
        ("2026-11-01T10:00:00", "2026-11-01T10:00:00", "1970-01-01T07:00:00", Reason.EPOCH_ZERO),
        ("0", "2026-11-01T10:00:00", "2026-11-01T10:00:01", Reason.EPOCH_ZERO),
        ("2026-11-01T10:00:00", "0", "2026-11-01T10:00:01", Reason.EPOCH_ZERO),
        ("2026-11-01T10:00:00", "2026-11-01T10:00:00", "2026-12-01T00:05:01", Reason.FUTURE_END),
        ("2026-12-01T00:05:01", "Unknown", "Unknown", Reason.FUTURE_TIME),
        ("2026-11-01T10:00:00", "2026-12-01T00:05:01", "Unknown", Reason.FUTURE_TIME),
        ("Unknown", "2026-11-01T10:00:00", "2026-11-01T10:00:01", Reason.TIME),
    ],
)
def test_times_that_can_not_be(submit: str, start: str, end: str, reason: Reason) -> None:
    with pytest.raises(RowError) as caught:
        Clock(ZoneInfo("UTC"), NOW).moments(submit, start, end, 0)
    assert caught.value.reason is reason


def test_a_little_future_is_a_clock_that_is_off() -> None:
    found = Clock(ZoneInfo("UTC"), NOW).moments(
        "2026-11-30T23:00:00", "2026-11-30T23:00:00", "2026-12-01T00:05:00", 3900
    )
    assert found[2] == (NOW + timedelta(minutes=5)).timestamp()
