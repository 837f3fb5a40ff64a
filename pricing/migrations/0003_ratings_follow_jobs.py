"""A charge carries its job's own quantity, and a rating agrees with the charges in force."""

from django.db import migrations

from core.rules import no_truncate, refuse, set_trigger

# Over ``new_rows``: which ratings contradict the job or its charges. A job can't be declared free or
# paid for by someone else: that would bill it nowhere. Exempt is what used nothing, or falls under
# an exemption of its cluster.
_FITS = """
    IF EXISTS (
        SELECT 1 FROM new_rows n
          LEFT JOIN LATERAL (
            SELECT count(*) > 0 AS charged,
                   coalesce(bool_or(c.project_id IS DISTINCT FROM n.project_id), false) AS elsewhere
              FROM pricing_charge c
             WHERE c.job_id = n.job_id AND c.reverses_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
          ) found ON true
         WHERE found.charged <> (n.status = 'rated') OR found.elsewhere
    ) OR EXISTS (
        SELECT 1 FROM new_rows n LEFT JOIN usage_job j ON j.id = n.job_id
         WHERE n.status <> 'rated' AND (j.id IS NULL OR n.status = 'exempt'
               AND (j.cpu_seconds > 0 OR j.gpu_seconds > 0 OR j.mem_mib_seconds > 0)
               AND NOT (n.reason = 'exempted' AND usage_exemption_of(n.job_id) IS NOT NULL))
    ) THEN
        RAISE EXCEPTION 'the rating contradicts the job or its charges'
            USING ERRCODE = 'check_violation';
    END IF;
"""
# The project of a rated job is that of its charges.
_PROJECT = """
    PERFORM 1 FROM accounts_project
      WHERE id IN (SELECT project_id FROM new_rows WHERE status <> 'rated')
      ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found <> (SELECT count(DISTINCT project_id) FROM new_rows WHERE status <> 'rated') THEN
        RAISE EXCEPTION 'there is no such project' USING ERRCODE = 'foreign_key_violation';
    END IF;
"""

RULES = [
    set_trigger(
        "pricing_charge",
        name="pricing_charge_quantity",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM new_rows n LEFT JOIN usage_job j ON j.id = n.job_id
                 WHERE n.reverses_id IS NULL AND NOT coalesce(j."end" = n.job_end AND n.quantity =
                       CASE n.resource WHEN 'cpu' THEN j.cpu_seconds WHEN 'gpu' THEN j.gpu_seconds
                                       WHEN 'mem' THEN j.mem_mib_seconds END, false)
            ) THEN
                RAISE EXCEPTION 'a charge must carry the quantity and the end of its job'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    set_trigger("pricing_jobrating", name="pricing_jobrating_fits", event="INSERT", body=_FITS),
    set_trigger(
        "pricing_jobrating", name="pricing_jobrating_fits_changed", event="UPDATE", body=_FITS
    ),
    set_trigger(
        "pricing_jobrating",
        name="pricing_jobrating_project",
        event="INSERT",
        declare="found bigint;",
        body=_PROJECT,
    ),
    set_trigger(
        "pricing_jobrating",
        name="pricing_jobrating_project_changed",
        event="UPDATE",
        declare="found bigint;",
        body=_PROJECT,
    ),
    refuse("pricing_jobrating", "DELETE", "ratings are never deleted"),
    # What says which job a rating is of stays, and so does the row.
    refuse(
        "pricing_jobrating",
        "UPDATE",
        "a rating stays with its job",
        when="OLD.job_id <> NEW.job_id",
        name="pricing_jobrating_refuse_update",
    ),
    no_truncate("pricing_jobrating"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0002_charges_by_end"),
        ("usage", "0007_exemptions"),
    ]

    operations = RULES
