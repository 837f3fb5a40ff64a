"""The TRES cells of a row: what a job was given, what it asked for, its energy. Pure."""

from usage.reasons import Reason, RowError
from usage.times import UNSET
from usage.tres import InvalidTres, Reading, Tres, parse_req_mem, read_tres

MAX_JOULES_DIGITS = 19
_NOTHING = read_tres("")


def reading(alloc: str | None, req: str | None, req_mem: str | None, placed: bool) -> Reading:
    """Return what a job was given. Raises RowError for what can't be billed."""
    try:
        if alloc:
            return read_tres(alloc)
        if alloc is None:
            if req:
                return _requested(req, req_mem)
            if placed:
                raise RowError(Reason.NO_REQ_TRES, "it started, but nothing is requested")
        elif placed:
            raise RowError(Reason.NO_ALLOC_TRES, "it started, but nothing is allocated")
    except InvalidTres as error:
        raise RowError(Reason.TRES, str(error)) from None
    return _NOTHING


def asked(req: str | None, req_mem: str | None) -> tuple[str, tuple[str, ...]]:
    """Return what was asked for, canonical, and flags. What can't be read is not known: it is no
    reason to refuse a row whose allocation can be."""
    try:
        return (_requested(req, req_mem).canonical if req else ""), ()
    except InvalidTres:
        return "", ("req_tres_unreadable",)


def joules(tres: Tres, raw: str | None) -> int | None:
    """Return the energy that was measured; if none was, Slurm says 0 or something near 2^64."""
    listed = next((amount for key, amount in tres.other if key == "energy"), "")
    text = listed or raw or ""
    if not (text.isdigit() and text.isascii() and len(text) < MAX_JOULES_DIGITS):
        return None
    return int(text) or None


def _requested(req: str, req_mem: str | None) -> Reading:
    """An estimate. Old versions leave memory out of ReqTRES; then ReqMem has it."""
    reading = read_tres(req)
    if "mem=" in req or not req_mem or req_mem in UNSET:
        return reading
    tres = reading.tres
    kib = parse_req_mem(req_mem, nodes=max(tres.nodes, 1), cpus=tres.cpus)
    return read_tres(f"{req},mem={kib}K")
