"""An explanation in words and figures, in the current language: what every output shows."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from core import formatting
from pricing.explain import ChargeStep, Explanation, ListVerdict, PaidBy
from pricing.labels import base_unit_name, resource_name, unit_name
from pricing.models import RatingReason
from usage.stages import Stage


@dataclass(frozen=True, slots=True)
class Row:
    """A step by its name; ``exact`` is for figures, shown as they stand."""

    name: str
    text: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Steps under a heading."""

    title: str
    rows: tuple[Row, ...]


def told(explanation: Explanation) -> list[Part]:
    """Return the parts of an explanation in the order in which a price comes about."""
    parts = [
        Part(_("Where it comes from"), tuple(_origin(explanation))),
        Part(_("Who pays, by which prices"), tuple(_choice(explanation))),
    ]
    parts += [_charge(step) for step in explanation.charges]
    parts.append(Part(_("What it comes to"), tuple(_outcome(explanation))))
    if explanation.earlier:
        rows = tuple(_earlier(step) for step in explanation.earlier)
        parts.append(Part(_("Earlier charges and their reversals"), rows))
    return parts


def _origin(told: Explanation) -> Iterator[Row]:
    job, source = told.job, told.source
    yield Row(_("Job"), f"{job} ({job.state})")
    yield Row(_("Ended"), formatting.moment(job.end, seconds=True) if job.end else _("It runs."))
    yield Row(
        _("Accounting row"),
        _("line %(line)s of %(origin)s, import #%(number)s")
        % {"line": source.line, "origin": source.origin, "number": source.import_id},
    )
    yield Row("SHA-256", source.sha256, exact=True)
    if source.revision > 1:
        yield Row(
            _("Revision"),
            _("The row has changed: this is revision %(number)s.") % {"number": source.revision},
        )


def _choice(told: Explanation) -> Iterator[Row]:
    if told.paid_by is None:
        yield Row(_("Project"), _("No project is found for it."))
        return
    yield Row(_("Project"), f"{told.project}: {_payer_text(told)}")
    if told.tier is None:
        if told.job.end is not None:
            yield Row(_("Tier"), _("The project had no tier when the job ended."))
        return
    yield Row(_("Tier"), _tier_text(told))
    for step in told.lists:
        yield Row(_("Price list"), f"{step.name}: {_verdict_text(step.verdict)}")
    if not told.lists:
        yield Row(_("Price list"), _("The tier has no published price list."))


def _payer_text(told: Explanation) -> str:
    account = {"account": told.job.account, "cluster": told.job.cluster.name}
    if told.paid_by is PaidBy.MAPPING:
        return _("the account %(account)s on %(cluster)s is mapped to it") % account
    if told.paid_by is PaidBy.ACCOUNT:
        return _("its code is the job's Slurm account")
    if told.paid_by is PaidBy.OWNER:
        return _("the personal project of %(user)s, for the job has no Slurm account") % {
            "user": told.job.user_name
        }
    return _("it was found when the job was rated; the settings have changed since")


def _tier_text(told: Explanation) -> str:
    tier = told.tier
    if tier is None:
        return ""
    since = formatting.moment(tier.starts_at)
    until = formatting.moment(tier.ends_at) if tier.ends_at else ""
    span = (
        _("from %(since)s until %(until)s") % {"since": since, "until": until}
        if until
        else _("from %(since)s on") % {"since": since}
    )
    text = f"{tier.code}, {span}"
    if tier.override_reason:
        text += ". " + _("An override, because: %(reason)s") % {"reason": tier.override_reason}
    return text


def _verdict_text(verdict: ListVerdict) -> str:
    return {
        ListVerdict.COUNTS: _("counts: the latest that had begun when the job ended"),
        ListVerdict.BEGINS_LATER: _("begins after the job ended"),
        ListVerdict.OLDER: _("a later one had begun"),
        ListVerdict.REPLACED: _("replaced by a higher revision"),
    }[verdict]


def _charge(step: ChargeStep) -> Part:
    label = resource_name(step.resource)
    title = _("%(resource)s: charge #%(number)s") % {"resource": label, "number": step.charge}
    return Part(title, tuple(_arithmetic(step)))


def _arithmetic(step: ChargeStep) -> Iterator[Row]:
    unit = base_unit_name(step.resource)
    if step.made_of is not None:
        made = step.made_of
        count = f"{made.count.normalize():f}"
        sign = "−" if step.quantity < 0 else ""
        yield Row(
            _("Quantity"),
            f"{sign}{count} × {made.seconds} s = {step.quantity} {unit}",
            exact=True,
        )
    else:
        why = _("as an earlier revision of the row said")
        yield Row(_("Quantity"), f"{step.quantity} {unit} ({why})", exact=True)
    price = f"{_price(step)} {step.currency}"
    yield Row(
        _("Unit price"),
        _("%(price)s per %(unit)s, which is %(size)s %(base)s, by the price list %(name)s")
        % {
            "price": price,
            "unit": unit_name(step.resource),
            "size": step.unit_size,
            "base": unit,
            "name": step.price_list_name,
        },
    )
    result = f"{step.unrounded:f}" if step.is_exact else f"{step.unrounded:f}…"
    yield Row(
        _("Arithmetic"),
        f"{step.quantity} ÷ {step.unit_size} × {_price(step)} = {result}",
        exact=True,
    )
    rounding = (
        _("none needed: it has at most six decimals")
        if step.is_exact
        else _("half up, at six decimals")
    )
    yield Row(_("Rounding"), rounding)
    yield Row(_("Amount"), f"{step.amount:f} {step.currency}", exact=True)


def _price(step: ChargeStep) -> str:
    return "–" if step.unit_price is None else f"{step.unit_price.normalize():f}"


def _earlier(step: ChargeStep) -> Row:
    """Return the line of a charge that is not in force any more, or of a reversal."""
    resource = resource_name(step.resource)
    sums = (
        f"{step.quantity} ÷ {step.unit_size} × {_price(step)}"
        f" = {step.amount:f} {step.currency} ({step.price_list_name})"
    )
    kind = ""
    if step.reverses is not None:
        kind = _("the reversal of charge #%(number)s") % {"number": step.reverses}
    elif step.reversed_by is not None:
        kind = _("taken back by charge #%(number)s") % {"number": step.reversed_by}
    return Row(f"{resource} #{step.charge}", f"{sums}, {kind}", exact=True)


def _outcome(told: Explanation) -> Iterator[Row]:
    if told.charges:
        terms = " + ".join(f"{step.amount:f}" for step in told.charges)
        sums = f"{terms} = {told.total:f} {told.currency}"
        yield Row(_("Sum"), sums, exact=True)
        yield Row(_("Rounding"), _("to the currency on the receipt only, once for each line"))
    else:
        yield Row(_("Not charged"), _why_not(told))
    for code in told.not_used if told.job.end else ():
        yield Row(resource_name(code), _("The job used none, so it costs nothing."))
    if told.to_correct:
        yield Row(
            _("Note"),
            _("It would cost something else now; its document has to be corrected first."),
        )
    elif told.outdated:
        yield Row(
            _("Note"),
            _("By the tiers and price lists of today another list counts for this job."),
        )


def _why_not(told: Explanation) -> str:
    if told.stage is Stage.RUNNING:
        return _("The job has not ended. What it costs is known then.")
    if told.stage is Stage.HELD:
        return _("Its import is incomplete; it waits until the rest came or a person released it.")
    if told.stage is Stage.PENDING:
        return _("It was not rated yet as it is now.")
    text = told.reason_text
    if told.reason == RatingReason.NO_RATE and told.missing_rates:
        names = ", ".join(resource_name(code) for code in told.missing_rates)
        text = f"{text}: {names}"
    if told.exempt_because:
        text = f"{text}: {told.exempt_because}"
    return text
