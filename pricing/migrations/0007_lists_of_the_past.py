"""A list may begin in the past: the jobs that it then counts for are judged anew."""

from django.db import migrations

from core.rules import trigger

RULES = [
    trigger(
        "pricing_pricelist",
        name="pricing_notices_past_list",
        timing="AFTER UPDATE OF status",
        when="NEW.status = 'published' AND OLD.status <> 'published' AND NEW.effective_at < now()",
        declare="until timestamptz;",
        body="""
            SELECT min(effective_at) INTO until FROM pricing_pricelist
             WHERE tier_id = NEW.tier_id AND status = 'published'
               AND effective_at > NEW.effective_at;
            INSERT INTO pricing_recheck (project_id, starts_at, ends_at)
            SELECT t.project_id, greatest(t.starts_at, NEW.effective_at), least(t.ends_at, until)
              FROM accounts_projecttier t
             WHERE t.tier_id = NEW.tier_id
               AND (t.ends_at IS NULL OR t.ends_at > NEW.effective_at)
               AND t.starts_at < least(until, now());
            RETURN NULL;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [("pricing", "0006_exemptions")]

    operations = RULES
