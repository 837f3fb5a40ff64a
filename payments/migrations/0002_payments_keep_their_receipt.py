"""A payment that waits keeps what it was started for: it can't be turned to another receipt."""

from django.db import migrations

from core.rules import refuse

RULES = [
    refuse(
        "payments_payment",
        "UPDATE",
        "a payment keeps what it was started for",
        when=(
            "(OLD.public_id, OLD.receipt_id, OLD.provider, OLD.amount, OLD.currency,"
            " OLD.created_by_id, OLD.created_at) IS DISTINCT FROM"
            " (NEW.public_id, NEW.receipt_id, NEW.provider, NEW.amount, NEW.currency,"
            " NEW.created_by_id, NEW.created_at)"
            " OR OLD.external_id <> '' AND (OLD.external_id, OLD.checkout_url) IS DISTINCT FROM"
            " (NEW.external_id, NEW.checkout_url)"
        ),
        name="payments_payment_keeps_purpose",
    ),
    refuse(
        "payments_payment",
        "DELETE",
        "payments are never deleted",
        name="payments_payment_refuse_delete",
    ),
]


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_payments")]

    operations = RULES
