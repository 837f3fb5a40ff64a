"""The end of a month: what stands against closing it, what it accrues, true-ups, and its seal."""

from hpcbilling.closing.findings import Finding, unexplained
from hpcbilling.closing.services import check, close_period
from hpcbilling.closing.true_ups import TruedUp, true_up_all

__all__ = ["Finding", "TruedUp", "check", "close_period", "true_up_all", "unexplained"]
