"""The log and its chain: rows are only added, and numbered and hashed as their transaction commits."""

from django.db import migrations, models

from core.rules import no_truncate, refuse, trigger

RULES = [
    migrations.RunSQL(
        "INSERT INTO audit_audithead (id, sequence, hash) "
        "VALUES (1, 0, encode(sha256('hpcbilling audit chain'), 'hex'))",
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
        declare="head audit_audithead%ROWTYPE; digest text;",
        body="""
            SELECT * INTO STRICT head FROM audit_audithead WHERE id = 1 FOR UPDATE;
            digest := encode(sha256(convert_to(
                head.hash || E'\\n' || (head.sequence + 1) || E'\\n' || NEW.payload, 'UTF8')), 'hex');
            UPDATE audit_auditevent
               SET sequence = head.sequence + 1, previous_hash = head.hash, hash = digest
             WHERE id = NEW.id;
            UPDATE audit_audithead SET sequence = head.sequence + 1, hash = digest WHERE id = 1;
            RETURN NULL;
        """,
        definer=True,
    ),
    refuse(
        "audit_auditevent",
        "UPDATE",
        "rows of this table are never changed",
        when="OLD.sequence IS NOT NULL OR pg_trigger_depth() < 1 OR (OLD.at, OLD.action, OLD.actor_id,"
        " OLD.actor_name, OLD.target_type, OLD.target_id, OLD.payload) IS DISTINCT FROM (NEW.at,"
        " NEW.action, NEW.actor_id, NEW.actor_name, NEW.target_type, NEW.target_id, NEW.payload)",
        name="audit_auditevent_refuse_update",
    ),
    refuse(
        "audit_auditevent",
        "DELETE",
        "rows of this table are never deleted",
        name="audit_auditevent_refuse_delete",
    ),
    no_truncate("audit_auditevent"),
    refuse("audit_audithead", "INSERT OR DELETE", "the end of the chain is a single row"),
    refuse(
        "audit_audithead",
        "UPDATE",
        "only the chain moves its end",
        when="pg_trigger_depth() < 1",
        name="audit_audithead_refuse_update",
    ),
    no_truncate("audit_audithead"),
]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_refusal"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sequence",
                    models.BigIntegerField(editable=False, null=True, verbose_name="number"),
                ),
                ("at", models.DateTimeField(editable=False, verbose_name="time")),
                ("action", models.CharField(editable=False, max_length=64, verbose_name="action")),
                (
                    "actor_id",
                    models.CharField(
                        blank=True, editable=False, max_length=32, verbose_name="actor's key"
                    ),
                ),
                (
                    "actor_name",
                    models.CharField(editable=False, max_length=150, verbose_name="actor"),
                ),
                (
                    "target_type",
                    models.CharField(
                        blank=True, editable=False, max_length=64, verbose_name="kind of target"
                    ),
                ),
                (
                    "target_id",
                    models.CharField(
                        blank=True, editable=False, max_length=64, verbose_name="target's key"
                    ),
                ),
                ("payload", models.TextField(editable=False, verbose_name="content")),
                (
                    "previous_hash",
                    models.CharField(
                        editable=False, max_length=64, null=True, verbose_name="previous hash"
                    ),
                ),
                (
                    "hash",
                    models.CharField(editable=False, max_length=64, null=True, verbose_name="hash"),
                ),
            ],
            options={
                "verbose_name": "audit event",
                "verbose_name_plural": "audit log",
                "ordering": ("-id",),
                "permissions": (("export_auditevent", "Can export the audit log"),),
                "indexes": [
                    models.Index(fields=["action", "at"], name="audit_event_action"),
                    models.Index(fields=["target_type", "target_id"], name="audit_event_target"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("sequence",), name="audit_event_sequence_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.BigIntegerField(default=0)),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "verbose_name": "end of the audit chain",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="audit_head_single")
                ],
            },
        ),
        *RULES,
    ]
