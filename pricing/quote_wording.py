"""An estimate in words, in the current language: what the API, the page and the command show."""

from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import formatting
from pricing import engine
from pricing.labels import resource_name, unit_name
from pricing.quotes import Note, Quote, QuoteLine, Remark, Wanted
from pricing.resources import resource_of
from usage.sbatch import Found
from usage.sbatch import Remark as Odd


def note_text(note: Note, currency: str) -> str:
    """Return what an estimate rests on."""
    texts = {
        Remark.ONE_CLUSTER: _("For the cluster %(about)s, the only one there is."),
        Remark.NO_CLUSTER: _("No cluster is chosen: prices of particular clusters don’t count."),
        Remark.AS_USED: _(
            "%(about)s is charged by what a job really uses. The estimate is for all of what is"
            " asked for; it will hardly be more."
        ),
        Remark.NOT_KNOWN: _(
            "%(about)s has a price too, but how much of it a job takes is known only afterwards."
        ),
        Remark.FROM_COUNTER: _(
            "%(about)s is priced by the month: these jobs come on top of what the project has used"
            " of it so far."
        ),
        Remark.FROM_ZERO: _(
            "%(about)s is priced by the month: the estimate begins at a month without usage."
        ),
        Remark.CAP: _("A month costs %(about)s at most; what is above it is taken off at its end."),
        Remark.SPLIT: _("The project pays %(about)s percent of its jobs; this is its part."),
    }
    return texts[note.remark].replace("%(about)s", _about(note, currency))


def _about(note: Note, currency: str) -> str:
    if note.remark is Remark.CAP:
        return formatting.money(Decimal(note.about), currency)
    if note.remark in {Remark.ONE_CLUSTER, Remark.SPLIT}:
        return note.about
    return resource_name(note.about) if note.about else ""


def found_text(found: Found) -> str:
    """Return a remark about a script, with its line."""
    text = _odd_text(found.remark).replace("%(text)s", found.text)
    if not found.line:
        return text
    return _("Line %(line)s: %(text)s") % {"line": found.line, "text": text}


def _odd_text(remark: Odd) -> str:
    return {
        Odd.NO_SHEBANG: _("It does not begin with “#!”: sbatch refuses it as it is."),
        Odd.DOS_LINES: _("Its lines end as on Windows: sbatch refuses it as it is."),
        Odd.INDENTED: _("“%(text)s” is indented, so sbatch takes it for a comment."),
        Odd.AFTER_COMMAND: _("“%(text)s” stands after the first command, so it does not count."),
        Odd.UNKNOWN_OPTION: _("%(text)s is no option of sbatch; it is left out."),
        Odd.AMBIGUOUS_OPTION: _("%(text)s may mean several options; it is left out."),
        Odd.STRAY_WORD: _("“%(text)s” is no option: sbatch refuses it."),
        Odd.NO_VALUE: _("%(text)s needs a value."),
        Odd.UNREADABLE: _("%(text)s can’t be read, so it is left out."),
        Odd.REPLACED: _("%(text)s is replaced further down."),
        Odd.UNMATCHED_QUOTE: _("A quotation mark is not closed: sbatch refuses it."),
        Odd.NO_TIME: _("It sets no time limit; the hours entered beside it count."),
        Odd.NO_TIME_LIMIT: _("It asks for no limit of time; the hours entered beside it count."),
        Odd.NO_MEMORY: _(
            "It asks for no memory. Slurm gives what the cluster’s settings say; the estimate"
            " counts what is entered beside it, or none."
        ),
        Odd.ALL_MEMORY: _(
            "%(text)s asks for all memory of each node. How much that is, is not known here."
        ),
        Odd.MEMORY_TWICE: _("%(text)s is replaced by a later option about memory."),
        Odd.ONE_CPU: _("It does not say how many CPUs a task has; one is taken."),
        Odd.FEWEST_NODES: _("%(text)s leaves the number of nodes open; the fewest are taken."),
        Odd.FEWER_NODES: _("%(text)s is more than there are tasks; a node for each task is taken."),
        Odd.FIRST_PARTITION: _("Of several partitions %(text)s is taken, the first."),
        Odd.FIRST_CLUSTER: _("Of several clusters %(text)s is taken, the first."),
        Odd.EXCLUSIVE: _(
            "%(text)s asks for whole nodes: all their CPUs and GPUs are charged. The estimate knows"
            " only what is asked for, so it is too low."
        ),
        Odd.PER_SOCKET: _("%(text)s: how many sockets a node has is not known; left out."),
        Odd.GRES_NOT_PRICED: _("“%(text)s” has no price and is left out."),
        Odd.HET: _("A heterogeneous job: its %(text)s components are priced one by one."),
        Odd.TASK_LIMIT: _("%(text)s: all tasks are priced, however few run at a time."),
    }[remark]


def wanted_text(wanted: Wanted) -> str:
    """Return what a job asks for, such as “10 × 4 CPUs, 8 GB, 2 GPUs a100 for 02:00:00”."""
    parts = [ngettext("%(n)s CPU", "%(n)s CPUs", wanted.cpus) % {"n": wanted.cpus}]
    if wanted.mem_kib:
        parts.append(f"{formatting.number(Decimal(wanted.mem_kib) / 2**20)} GB")
    for kind, count in wanted.gpus:
        text = ngettext("%(n)s GPU", "%(n)s GPUs", count) % {"n": count}
        parts.append(f"{text} {kind}".strip())
    if wanted.nodes > 1:
        parts.append(_("%(n)s nodes") % {"n": wanted.nodes})
    parts += [f"{name} × {count}" for name, count in wanted.licenses]
    text = _("%(resources)s for %(time)s") % {
        "resources": ", ".join(parts),
        "time": formatting.duration(wanted.seconds),
    }
    return f"{formatting.number(wanted.jobs)} × ({text})" if wanted.jobs > 1 else text


def quantity_text(line: QuoteLine) -> str:
    """Return a quantity in its unit, such as “8.00 CPU-core-hours”; a minimum has none."""
    if line.rate is None:
        return ""
    size = resource_of(line.resource).unit_size
    return f"{formatting.hours(line.quantity, size)} {unit_name(line.resource)}"


def price_text(line: QuoteLine) -> str:
    """Return how a line is priced: the unit price, or the kind of the rate."""
    if line.rate is None:
        return _("minimum of each job")
    if line.rate.unit_price is not None:
        return formatting.price(line.rate.unit_price)
    return model_text(line.rate)


def model_text(rate: engine.Rate) -> str:
    """Return in a few words how a rate that is not one price works."""
    prices = " · ".join(formatting.price(slab.unit_price) for slab in rate.slabs)
    return {
        engine.Model.FLAT: _("by the month: %(prices)s"),
        engine.Model.GRADUATED: _("graduated: %(prices)s"),
        engine.Model.VOLUME: _("by volume: %(prices)s"),
        engine.Model.PACKAGE: _("by started package: %(prices)s"),
    }[rate.model] % {"prices": prices}


def line_name(line: QuoteLine) -> str:
    return resource_name(line.resource)


def lists_text(quote: Quote) -> str:
    """Return the names of the lists that price it, and since when they count."""
    return ", ".join(
        _("%(name)s, in effect from %(moment)s")
        % {"name": str(one), "moment": formatting.moment(one.effective_at)}
        for one in quote.lists
    )
