"""The rules of the audit log: rows are only added, and each seals the one before it."""

from django.db import migrations

from core.rules import changed, no_truncate, refuse, trigger

RULES = [
    migrations.RunSQL(
        "INSERT INTO audit_audithead (id, sequence, hash)"
        " VALUES (1, 0, encode(sha256('hpcbilling audit chain'), 'hex'))",
        "DELETE FROM audit_audithead",
    ),
    # Whatever a caller puts there, a new event is not yet part of the chain.
    trigger(
        "audit_auditevent",
        name="audit_unchained",
        timing="BEFORE INSERT",
        body="NEW.sequence := NULL; NEW.previous_hash := NULL; NEW.hash := NULL; RETURN NEW;",
    ),
    # Runs with the owner's rights: the application may add events but can neither number nor change
    # them. The head's row lock, taken last in the transaction, keeps the numbers gapless.
    trigger(
        "audit_auditevent",
        name="audit_chain",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        definer=True,
        declare="head audit_audithead%ROWTYPE; digest text;",
        body=r"""
            SELECT * INTO STRICT head FROM audit_audithead WHERE id = 1 FOR UPDATE;
            digest := encode(sha256(convert_to(
                head.hash || E'\n' || (head.sequence + 1) || E'\n' || NEW.payload, 'UTF8')),
                    'hex');
            UPDATE audit_auditevent
               SET sequence = head.sequence + 1, previous_hash = head.hash, hash = digest
             WHERE id = NEW.id;
            UPDATE audit_audithead SET sequence = head.sequence + 1, hash = digest WHERE id = 1;
            RETURN NULL;
        """,
    ),
    refuse(
        "audit_auditevent",
        "UPDATE",
        "rows of this table are never changed",
        name="audit_auditevent_refuse_update",
        when=f"""
            OLD.sequence IS NOT NULL OR pg_trigger_depth() < 1
                OR {changed("at, action, actor_id, actor_name, target_type, target_id, payload")}
        """,
    ),
    refuse(
        "audit_auditevent",
        "DELETE",
        "rows of this table are never deleted",
        name="audit_auditevent_refuse_delete",
    ),
    no_truncate("audit_auditevent"),
    refuse(
        "audit_audithead",
        "INSERT OR DELETE",
        "the end of the chain is a single row",
    ),
    refuse(
        "audit_audithead",
        "UPDATE",
        "only the chain moves its end",
        name="audit_audithead_refuse_update",
        when="pg_trigger_depth() < 1",
    ),
    no_truncate("audit_audithead"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
