"""Models of documents that ask for money or give it back, in order of what rests on what."""

from receipts.models.corrections import CorrectionProblem
from receipts.models.documents import Line, LineCharge, Receipt, ReceiptKind, ReceiptStatus
from receipts.models.files import DocumentFile, FileForm
from receipts.models.mails import Contact, Mail, MailKind, MailStatus, RemindersStopped
from receipts.models.orders import Days, PurchaseOrder
from receipts.models.profiles import (
    BillingProfile,
    DepartmentBilling,
    DocumentLanguage,
    Grouping,
)
from receipts.models.runs import BilledUntil, BillingRun, RunEntry
from receipts.models.series import Series
from receipts.models.tax import RateDays, TaxCategory, TaxProfile, TaxRate
from receipts.models.writeoffs import WriteOff, WriteOffStatus

__all__ = [
    "BilledUntil",
    "BillingProfile",
    "BillingRun",
    "Contact",
    "CorrectionProblem",
    "Days",
    "DepartmentBilling",
    "DocumentFile",
    "DocumentLanguage",
    "FileForm",
    "Grouping",
    "Line",
    "LineCharge",
    "Mail",
    "MailKind",
    "MailStatus",
    "PurchaseOrder",
    "RateDays",
    "Receipt",
    "ReceiptKind",
    "ReceiptStatus",
    "RemindersStopped",
    "RunEntry",
    "Series",
    "TaxCategory",
    "TaxProfile",
    "TaxRate",
    "WriteOff",
    "WriteOffStatus",
]
