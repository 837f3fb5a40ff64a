"""Writing a file of prices."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from core.intervals import local_midnight
from pricing.content.data import as_data
from pricing.price_file.entries import Entry
from pricing.price_file.exemptions import ExemptionEntry
from pricing.price_file.nodes import VERSION

HEAD = """\
# Price lists of this site: what `manage.py pricing plan` and `pricing apply` read.
# Unit prices are per CPU-core-hour, GPU-hour, GB-hour and so on. See docs/prices-as-code.md.
"""


def write(
    entries: Iterable[Entry],
    *,
    zone: ZoneInfo,
    exemptions: Iterable[ExemptionEntry] | None = None,
) -> str:
    """Return the text of a file with these lists and exemptions; ``read_file`` gives the same
    again."""
    document: dict[str, Any] = {
        "version": int(VERSION),
        "lists": [_item(entry, zone) for entry in entries],
    }
    if exemptions is not None:
        document["exemptions"] = [_exemption(entry, zone) for entry in exemptions]
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return HEAD + str(text)


def _item(entry: Entry, zone: ZoneInfo) -> dict[str, Any]:
    item = {
        entry.holder.kind: entry.holder.code,
        "effective_at": _moment_text(entry.effective_at, zone),
    }
    if entry.ends_at is not None:
        item["ends_at"] = _moment_text(entry.ends_at, zone)
    item["currency"] = entry.currency
    if entry.note:
        item["note"] = entry.note
    data: dict[str, Any] = _plain(as_data(entry.content))
    return item | data


def _exemption(entry: ExemptionEntry, zone: ZoneInfo) -> dict[str, Any]:
    item = {"cluster": entry.cluster, **entry.given}
    item["starts_at"] = _moment_text(entry.starts_at, zone)
    if entry.ends_at is not None:
        item["ends_at"] = _moment_text(entry.ends_at, zone)
    return {**item, "reason": entry.reason}


def _plain(value: Any) -> Any:
    """Write numbers as exact text, all the way down."""
    if isinstance(value, Decimal):
        return price_text(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class _Dumper(yaml.SafeDumper):
    """Indents lists, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def price_text(price: Decimal) -> str:
    """Write a price exactly, without needless zeros."""
    return format(price.normalize(), "f")


def _moment_text(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    if local_midnight(local.date(), zone) == moment:
        return local.date().isoformat()
    return local.isoformat()
