"""An explanation in words and figures, in the current language: what every output shows."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from core import formatting
from pricing.charge_wording import Part, Row, charge_part
from pricing.explain import ChargeStep, Explanation, Layer, ListVerdict, PaidBy
from pricing.labels import resource_name
from pricing.models import RatingReason
from pricing.walk import plain, sum_text
from usage.stages import Stage

__all__ = ["Part", "Row", "charge_part", "told"]


def told(explanation: Explanation) -> list[Part]:
    """Return the parts of an explanation in the order in which a price comes about."""
    parts = [
        Part(_("Where it comes from"), tuple(_origin(explanation))),
        Part(_("Who pays, by which prices"), tuple(_choice(explanation))),
    ]
    parts += [charge_part(step) for step in explanation.charges]
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
    if not told.prices_of:
        return
    if told.prices_of != told.project:
        yield Row(_("Project"), _("%(project)s pays this share") % {"project": told.prices_of})
    if told.tier is None:
        if told.job.end is not None:
            yield Row(_("Tier"), _("The project had no tier when the job ended."))
    else:
        yield Row(_("Tier"), _tier_text(told))
    for step in told.lists:
        yield Row(_layer_text(step.layer), f"{step.name}: {_verdict_text(step.verdict)}")
    if told.tier is not None and not told.lists:
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
        ListVerdict.ENDED: _("had ended when the job did"),
    }[verdict]


def _layer_text(layer: Layer) -> str:
    return {
        Layer.USER: _("Prices of the person"),
        Layer.PROJECT: _("Prices of the project"),
        Layer.TIER: _("Price list"),
    }[layer]


def _earlier(step: ChargeStep) -> Row:
    """Return the line of a charge that is not in force any more, or of a reversal."""
    resource = resource_name(step.resource)
    arithmetic = step.expression.replace(" / ", " ÷ ").replace(" * ", " × ").replace(" - ", " − ")
    sums = f"{arithmetic} = {step.amount:f} {step.currency} ({step.price_list_name})"
    kind = ""
    if step.reverses is not None:
        kind = _("the reversal of charge #%(number)s") % {"number": step.reverses}
    elif step.reversed_by is not None:
        kind = _("taken back by charge #%(number)s") % {"number": step.reversed_by}
    return Row(f"{resource} #{step.charge}", f"{sums}, {kind}", exact=True)


def _outcome(told: Explanation) -> Iterator[Row]:
    if told.charges:
        sums = (
            f"{sum_text([step.amount for step in told.charges])} = {told.total:f} {told.currency}"
        )
        yield Row(_("Sum"), sums, exact=True)
        yield Row(_("Rounding"), _("to the currency on the receipt only, once for each line"))
    else:
        yield Row(_("Not charged"), _why_not(told))
    for code in told.not_used if told.job.end else ():
        yield Row(resource_name(code), _("The job used none, so it costs nothing."))
    for free in told.not_priced:
        yield Row(resource_name(free.resource), _free_text(free.covered_by))
    if told.elsewhere_percent is not None:
        yield Row(
            _("Share"),
            _("%(percent)s percent of the job are paid by other projects.")
            % {"percent": plain(told.elsewhere_percent)},
        )
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


def _free_text(covered_by: str) -> str:
    if not covered_by:
        return _("The price list says that it is free.")
    return _("It is part of: %(equivalent)s.") % {"equivalent": resource_name(covered_by)}


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
