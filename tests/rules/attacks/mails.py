"""Attacks on the rules of e-mails and of who gets them."""

from typing import Any

from tests.rules.attacks.making import UUID, Attack, change, copy_of, delete, truncate

NEW: dict[str, Any] = {"message_id": UUID, "copy": 9}

SENT = "status = 'sent'"

ATTACKS: dict[str, Attack] = {
    "contact_once": Attack(copy_of("receipts_contact")),
    "contact_gets_something": Attack(
        change("receipts_contact", gets_documents="false", gets_reminders="false")
    ),
    "reminders_stopped_has_reason": Attack("UPDATE receipts_remindersstopped SET reason = ' '"),
    "mail_once": Attack(copy_of("receipts_mail", message_id=UUID)),
    "receipts_mail_message_id_key": Attack(copy_of("receipts_mail", copy=9)),
    "mail_kind_known": Attack(copy_of("receipts_mail", kind="overdue", **NEW)),
    "mail_status_has_time": Attack(
        copy_of("receipts_mail", "status = 'sent'", sent_at=None, **NEW)
    ),
    "mail_failed_says_why": Attack(
        copy_of("receipts_mail", "status = 'queued'", status="failed", **NEW)
    ),
    "receipts_mail_stays": Attack(change("receipts_mail", SENT, subject="other")),
    "receipts_mail_refuse": Attack(delete("receipts_mail")),
    "receipts_mail_no_truncate": truncate("receipts_mail"),
}
