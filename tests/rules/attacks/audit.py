"""Attacks on the rules of audit."""

from tests.rules.attacks.making import Attack, change, delete, truncate

ATTACKS: dict[str, Attack] = {
    "audit_event_sequence_unique": Attack(
        "UPDATE audit_auditevent SET sequence = 1 WHERE sequence = 2",
        also=("audit_auditevent_refuse_update",),
    ),
    "audit_head_single": Attack(
        "INSERT INTO audit_audithead VALUES (2, 0, '')", also=("audit_audithead_refuse",)
    ),
    "audit_audithead_refuse": Attack("DELETE FROM audit_audithead"),
    "audit_audithead_refuse_update": Attack("UPDATE audit_audithead SET sequence = 0"),
    "audit_audithead_no_truncate": truncate("audit_audithead"),
    "audit_auditevent_no_truncate": truncate("audit_auditevent"),
    "audit_auditevent_refuse_delete": Attack(delete("audit_auditevent")),
    "audit_auditevent_refuse_update": Attack(change("audit_auditevent", actor_name="nobody")),
}
