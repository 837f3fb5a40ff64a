"""Each charge is booked into a period: that of its end, or the earliest open one after it."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.rules import set_trigger

# The periods are told once a statement, and locked, so that none of them closes meanwhile; so is
# the last closed one, which might open.
BOOKED = set_trigger(
    "pricing_charge",
    name="pricing_charge_booked",
    event="INSERT",
    declare="months date[]; firsts timestamptz[]; lasts timestamptz[];",
    body="""
        SELECT array_agg(n.month), array_agg(n.first), array_agg(n.last) INTO months, firsts, lasts
          FROM (SELECT period_id AS month, min(job_end) AS first, max(job_end) AS last
                  FROM new_rows GROUP BY period_id) n;
        PERFORM 1 FROM accounts_period
          WHERE month = ANY (months)
             OR month = (SELECT max(month) FROM accounts_period WHERE status = 'closed')
          ORDER BY month FOR SHARE;
        IF EXISTS (
            SELECT 1 FROM unnest(months, firsts, lasts) AS n (month, first, last)
              LEFT JOIN accounts_period p ON p.month = n.month
             WHERE NOT coalesce(
                p.status = 'open' AND n.last < p.ends_at AND (n.first >= p.starts_at OR p.month = (
                    SELECT max(month) + interval '1 month' FROM accounts_period
                     WHERE status = 'closed')),
                false)
        ) THEN
            RAISE EXCEPTION 'a charge is booked into the earliest open period that takes its end'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)

# Until now there were no periods: all are open, and each charge is in the month of its end.
_FILL = """
    INSERT INTO accounts_period (month, starts_at, ends_at, status, override_reason, overridden)
    SELECT month, month AT TIME ZONE %(zone)s, (month + interval '1 month') AT TIME ZONE %(zone)s,
           'open', '', '[]'
      FROM (SELECT DISTINCT date_trunc('month', job_end AT TIME ZONE %(zone)s) AS month
              FROM pricing_charge) months
     ORDER BY month
        ON CONFLICT DO NOTHING;
    ALTER TABLE pricing_charge DISABLE TRIGGER USER;
    UPDATE pricing_charge SET period_id = date_trunc('month', job_end AT TIME ZONE %(zone)s);
    ALTER TABLE pricing_charge ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_periods"),
        ("pricing", "0012_studies"),
    ]

    operations = [
        migrations.AddField(
            "charge",
            "period",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.period",
                verbose_name="period",
            ),
        ),
        migrations.RunSQL(
            [(statement, {"zone": settings.SITE_TIME_ZONE}) for statement in _FILL.split(";")[:-1]],
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            "charge",
            "period",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.period",
                verbose_name="period",
            ),
        ),
        migrations.AddIndex(
            "charge",
            django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["period"], name="charge_period"
            ),
        ),
        migrations.AddIndex(
            "charge",
            models.Index(fields=["project", "period"], name="charge_project_period"),
        ),
        BOOKED,
    ]
