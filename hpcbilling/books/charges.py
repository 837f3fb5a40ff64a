"""Checks of charges: each is its quantity at its stored price, and is there once."""

from collections.abc import Iterator
from datetime import date

from django.db.models.functions import TruncMonth
from django.utils.translation import gettext_lazy as _

from core.intervals import month
from core.site import site_zone
from hpcbilling.books.found import Break, Check, sql_check
from pricing.models import Charge
from pricing.replay import Difference, Replayed
from pricing.replay.counters import replay_true_ups
from pricing.replay.jobs import Books

# Where a rate has one price of a unit: round(quantity × price ÷ unit, 6), half away from zero, with
# whole numbers alone as a division of numerics rounds. What is right is told from the rest without
# dividing, a tenth of the work: amount × unit is off from quantity × price by at most half of a
# millionth of a unit. Rates are looked at once, not for each of their charges.
_PRICED = """
    WITH rates AS MATERIALIZED (
        SELECT r.id, r.resource, pricing_unit_size(r.resource) AS unit_size,
               CASE WHEN pricing_is_linear(r) THEN r.unit_price END AS unit_price
          FROM pricing_rate r
    )
    SELECT 'charge ' || c.id, f.field, f.stored, f.computed
      FROM pricing_charge c
      LEFT JOIN rates r ON r.id = c.rate_id
     CROSS JOIN LATERAL (
        SELECT abs(c.amount) * c.unit_size - abs(c.quantity) * c.unit_price AS off,
               c.unit_size * 0.0000005 AS half) d
     CROSS JOIN LATERAL (VALUES
        ('amount', c.amount::text,
         (sign(c.quantity) * div(2000000 * abs(c.quantity) * c.unit_price + c.unit_size,
                                 2 * c.unit_size::numeric) * 0.000001)::numeric(24, 6)::text),
        ('unit_price', c.unit_price::text, r.unit_price::text),
        ('unit_size', c.unit_size::text, r.unit_size::text),
        ('resource', c.resource, r.resource)
     ) f (field, stored, computed)
     WHERE c.unit_price IS NOT NULL
       AND (d.off <= -d.half OR d.off > d.half OR c.quantity * c.amount < 0
            OR c.unit_price IS DISTINCT FROM r.unit_price
            OR c.unit_size IS DISTINCT FROM r.unit_size OR c.resource IS DISTINCT FROM r.resource)
       AND f.stored IS DISTINCT FROM f.computed
"""
# Minimums: what the charges that were made with it lack to the list's minimum.
_MINIMUM = """
    SELECT 'charge ' || c.id, 'amount', c.amount::text,
           (round(l.minimum_per_job * coalesce(s.percent, 100) / 100, 6) - paid.amount)::text
      FROM pricing_charge c
      LEFT JOIN pricing_pricelist l ON l.id = c.price_list_id
      LEFT JOIN accounts_splitshare s ON s.id = c.share_id
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(u.amount), 0) AS amount FROM pricing_charge u
         WHERE u.job_id = c.job_id AND u.project_id = c.project_id
           AND u.share_id IS NOT DISTINCT FROM c.share_id AND u.generation = c.generation
           AND u.kind = 'usage' AND u.reverses_id IS NULL) paid
     WHERE c.kind = 'minimum' AND c.reverses_id IS NULL
       AND c.amount IS DISTINCT FROM
           round(l.minimum_per_job * coalesce(s.percent, 100) / 100, 6) - paid.amount
"""
_REVERSAL = """
    SELECT 'charge ' || c.id, 'reverses', c.quantity || ' / ' || c.amount || ' ' || c.currency,
           coalesce(-o.quantity || ' / ' || -o.amount || ' ' || o.currency, 'nothing there')
      FROM pricing_charge c LEFT JOIN pricing_charge o ON o.id = c.reverses_id
     WHERE c.reverses_id IS NOT NULL
       AND (o.id IS NULL OR o.reverses_id IS NOT NULL OR
            (c.job_id, c.project_id, c.share_id, c.kind, c.resource, c.generation, c.rate_id,
             c.price_list_id, c.job_end, c.quantity, c.amount, c.unit_size, c.unit_price,
             c.currency)
            IS DISTINCT FROM
            (o.job_id, o.project_id, o.share_id, o.kind, o.resource, o.generation, o.rate_id,
             o.price_list_id, o.job_end, -o.quantity, -o.amount, o.unit_size, o.unit_price,
             o.currency))
"""
# Each charge by a counter begins where the one before it ended, and comes to the price of the
# quantity after it, less what was charged before. What takes one back leaves the rest to the next.
_COUNTED = """
    SELECT 'charge ' || w.id, f.field, f.stored, f.computed
      FROM (
        SELECT c.id, c.rate_id, c.reverses_id, c.counter_before, c.counter_after, c.amount,
               coalesce(sum(c.quantity) OVER before, 0) AS reached,
               coalesce(sum(c.amount) OVER before, 0) AS charged, c.quantity
          FROM pricing_charge c
          LEFT JOIN pricing_counter k ON k.project_id = c.project_id AND k.rate_id = c.rate_id
           AND k.starts_at <= c.job_end AND c.job_end < k.ends_at
         WHERE c.counter_after IS NOT NULL
        WINDOW before AS (PARTITION BY c.project_id, c.rate_id, k.id ORDER BY c.id
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
      ) w
     CROSS JOIN LATERAL (VALUES
        ('counter_before', w.counter_before::text, w.reached::text),
        ('counter_after', w.counter_after::text, (w.reached + w.quantity)::text),
        ('amount', w.amount::text, CASE WHEN w.reverses_id IS NULL
            THEN (pricing_cumulative(w.rate_id, w.counter_after) - w.charged)::text
            ELSE w.amount::text END)
     ) f (field, stored, computed)
     WHERE f.stored IS DISTINCT FROM f.computed
"""
_COUNTER = """
    SELECT 'counter ' || k.id, f.field, f.stored, f.computed
      FROM pricing_counter k
      LEFT JOIN LATERAL (
        SELECT coalesce(sum(c.quantity), 0) AS quantity, coalesce(sum(c.amount), 0) AS amount
          FROM pricing_charge c
         WHERE c.project_id = k.project_id AND c.rate_id = k.rate_id
           AND c.counter_after IS NOT NULL
           AND c.job_end >= k.starts_at AND c.job_end < k.ends_at) s ON true
     CROSS JOIN LATERAL (VALUES
        ('quantity', k.quantity::text, s.quantity::text),
        ('amount', k.amount::text, s.amount::numeric(24, 6)::text)
     ) f (field, stored, computed)
     WHERE f.stored IS DISTINCT FROM f.computed
"""
# What a person charged is what was approved, once.
_MANUAL = """
    SELECT 'charge ' || c.id, 'amount', c.amount || ' ' || c.currency,
           coalesce(a.amount || ' ' || a.currency, 'no approved adjustment')
      FROM pricing_charge c
      LEFT JOIN pricing_adjustment a ON c.resource = 'manual:' || a.id
           AND a.project_id = c.project_id AND a.status = 'approved'
     WHERE c.kind = 'manual' AND c.reverses_id IS NULL
       AND (c.amount, c.currency) IS DISTINCT FROM (a.amount, a.currency)
    UNION ALL
    SELECT 'adjustment ' || a.id, 'charges', count(c.id)::text, '1'
      FROM pricing_adjustment a
      LEFT JOIN pricing_charge c ON c.resource = 'manual:' || a.id AND c.kind = 'manual'
           AND c.reverses_id IS NULL
     WHERE a.status = 'approved' GROUP BY a.id
    HAVING count(c.id) = 0 OR count(c.id) FILTER (WHERE @live) > 1
"""
_TWICE = """
    SELECT 'job ' || c.job_id || ', ' || c.resource, 'charges in force', count(*)::text, '1'
      FROM pricing_charge c
     WHERE c.job_id IS NOT NULL AND @live
     GROUP BY c.job_id, c.resource, c.project_id, c.share_id
    HAVING count(*) > 1
"""


def _true_ups() -> Iterator[Break]:
    """Caps and commitments, by the same walk as a replay of each month that has any."""
    projects = Charge.objects.filter(kind="true_up").order_by().values_list("project", flat=True)
    books = Books(projects.distinct())
    for first in _months():
        found: list[Difference] = []
        replay_true_ups(month(first, site_zone()), books, Replayed(found.append))
        for one in found:
            about = f"charge {one.charge}" if one.charge else one.about
            yield Break(about, one.field, one.stored, one.recomputed)


def _months() -> list[date]:
    trued_up = Charge.objects.filter(kind="true_up").order_by()
    months = trued_up.annotate(month=TruncMonth("job_end", tzinfo=site_zone()))
    firsts = months.values_list("month", flat=True).distinct()
    return sorted(moment.date() for moment in firsts)


CHECKS = (
    sql_check(
        "charges",
        _("Each charge comes to its quantity at its stored price"),
        _PRICED,
        _MINIMUM,
        _REVERSAL,
        _MANUAL,
    ),
    sql_check(
        "counters",
        _("Charges by a counter are the differences of the price of the whole"),
        _COUNTED,
        _COUNTER,
    ),
    Check("true_ups", _("Caps and commitments come to what the month lacks"), _true_ups),
    sql_check("one_charge", _("A job is charged once for each resource and share"), _TWICE),
)
