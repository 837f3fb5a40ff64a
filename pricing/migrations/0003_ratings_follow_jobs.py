"""A charge carries its job's own quantity, and a rating agrees with the charges in force."""

from django.db import migrations

from core.rules import refuse, trigger

RULES = [
    trigger(
        "pricing_charge",
        name="pricing_charge_quantity",
        timing="BEFORE INSERT",
        when="NEW.reverses_id IS NULL",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM usage_job j
                 WHERE j.id = NEW.job_id AND j."end" = NEW.job_end AND NEW.quantity =
                       CASE NEW.resource WHEN 'cpu' THEN j.cpu_seconds WHEN 'gpu' THEN j.gpu_seconds
                                         WHEN 'mem' THEN j.mem_mib_seconds END
            ) THEN
                RAISE EXCEPTION 'a charge must carry the quantity and the end of its job'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # A job can't be declared free or paid for by someone else: that would bill it nowhere.
    trigger(
        "pricing_jobrating",
        name="pricing_jobrating_fits",
        timing="BEFORE INSERT OR UPDATE",
        declare="charged boolean; elsewhere boolean;",
        body="""
            SELECT count(*) > 0, coalesce(bool_or(c.project_id IS DISTINCT FROM NEW.project_id), false)
              INTO charged, elsewhere FROM pricing_charge c
             WHERE c.job_id = NEW.job_id AND c.reverses_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id);
            IF charged <> (NEW.status = 'rated') OR elsewhere OR NEW.status = 'exempt' AND EXISTS (
                SELECT 1 FROM usage_job j WHERE j.id = NEW.job_id
                   AND (j.cpu_seconds > 0 OR j.gpu_seconds > 0 OR j.mem_mib_seconds > 0)
            ) THEN
                RAISE EXCEPTION 'the rating contradicts the job or its charges'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse("pricing_jobrating", "DELETE", "ratings are never deleted"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0002_charges_by_end"),
        ("usage", "0002_jobs_change_only_by_imports"),
    ]

    operations = RULES
