"""Charges by counters, and shares of charges: their columns and their rules."""

from datetime import timedelta
from importlib import import_module

import django.contrib.postgres.constraints
import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

import accounts.models
from core.rules import function, no_truncate, refuse, set_trigger, trigger

_FIRST = import_module("pricing.migrations.0001_prices_and_charges").RULES
_THIRD = import_module("pricing.migrations.0003_ratings_follow_jobs").RULES


def _instead(
    rules: list[migrations.RunSQL], name: str, new: migrations.RunSQL
) -> list[migrations.RunSQL]:
    """Take the rule of that name away, and put a new one in its place."""
    (old,) = (rule for rule in rules if f"CREATE FUNCTION {name}()" in str(rule.sql))
    return [migrations.RunSQL(old.reverse_sql, old.sql), new]


# The lists that price a project's job, by precedence: of its user, of the project, of the tier.
LISTS = function(
    "pricing_lists(project_id bigint, user_name text, moment timestamptz)",
    returns="bigint[]",
    body="""
        SELECT array_remove(ARRAY[
            (SELECT l.id FROM accounts_user u JOIN pricing_pricelist l ON l.user_id = u.id
              WHERE u.username = $2 AND l.status = 'published' AND l.effective_at <= $3
                AND coalesce(l.ends_at > $3, true)
              ORDER BY l.effective_at DESC, l.revision DESC LIMIT 1),
            (SELECT l.id FROM pricing_pricelist l
              WHERE l.project_id = $1 AND l.status = 'published' AND l.effective_at <= $3
                AND coalesce(l.ends_at > $3, true)
              ORDER BY l.effective_at DESC, l.revision DESC LIMIT 1),
            (SELECT l.id FROM pricing_pricelist l
              WHERE l.tier_id = (
                    SELECT t.tier_id FROM accounts_projecttier t
                     WHERE t.project_id = $1 AND t.starts_at <= $3
                       AND coalesce(t.ends_at > $3, true)
                     ORDER BY t.override DESC LIMIT 1)
                AND l.status = 'published' AND l.effective_at <= $3
              ORDER BY l.effective_at DESC, l.revision DESC LIMIT 1)
        ], NULL)
    """,
)
LINEAR = function(
    "pricing_is_linear(rate pricing_rate)",
    returns="boolean",
    pure=True,
    body="""
        SELECT rate.model = 'flat' AND rate.flat_fee = 0 AND rate.allowance = 0
            AND rate.discount_percent = 0 AND rate.discount_amount = 0
    """,
)
# Whether a charge has the quantity that its list, its job and its share give. What stands in for a
# charge that was reversed may be as that one was.
FITS = function(
    "pricing_fits(job_id bigint, project_id bigint, share_id bigint, rate_id bigint,"
    " quantity bigint, basis text)",
    returns="boolean",
    declare="job usage_job; rate pricing_rate; lists bigint[]; whole bigint;",
    body="""
        IF EXISTS (
            SELECT 1 FROM pricing_charge c JOIN pricing_charge r ON r.reverses_id = c.id
             WHERE c.job_id = $1 AND c.project_id = $2 AND c.share_id IS NOT DISTINCT FROM $3
               AND c.rate_id = $4 AND c.quantity = $5 AND c.basis = $6
        ) THEN
            RETURN true;
        END IF;
        SELECT * INTO job FROM usage_job WHERE id = $1;
        SELECT * INTO rate FROM pricing_rate WHERE id = $4;
        IF $3 IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM accounts_splitshare s JOIN accounts_split p ON p.id = s.split_id
             WHERE s.id = $3 AND s.project_id = $2 AND p.starts_at <= job."end"
               AND coalesce(p.ends_at > job."end", true)
        ) OR $6 NOT IN ('', rate.basis, 'fallback') OR rate.basis = 'allocated' AND $6 <> '' THEN
            RETURN false;
        END IF;
        lists := pricing_lists($2, job.user_name, job."end");
        whole := pricing_quantity($4, $1, lists);
        RETURN rate.price_list_id = ANY (lists)
            AND $5 = CASE WHEN $3 IS NULL THEN whole ELSE accounts_part($3, whole) END;
    """,
)
# Whether a project owes something for a job by its lists; null if they lack a rate or are none.
OWES = function(
    "pricing_owes(job_id bigint, project_id bigint)",
    returns="boolean",
    declare="job usage_job; lists bigint[]; terms pricing_pricelist;",
    body="""
        SELECT * INTO job FROM usage_job WHERE id = $1;
        lists := pricing_lists($2, job.user_name, job."end");
        SELECT * INTO terms FROM pricing_pricelist WHERE id = pricing_terms(lists);
        IF terms.id IS NULL THEN
            RETURN NULL;
        ELSIF EXISTS (SELECT 1 FROM pricing_statepolicy s WHERE s.price_list_id = terms.id
                         AND s.state = job.state AND s.percent = 0) THEN
            RETURN false;
        ELSIF EXISTS (
            SELECT 1 FROM (VALUES ('cpu', job.cpu_seconds), ('mem', job.mem_mib_seconds),
                                  ('gpu', job.gpu_seconds)) used (resource, quantity)
             WHERE used.quantity > 0 AND used.resource <> ALL (terms.free_resources)
               AND NOT EXISTS (SELECT 1 FROM unnest(terms.free_resources) f
                                WHERE split_part(f, ':', 1) = used.resource)
               AND NOT EXISTS (SELECT 1 FROM pricing_rate r WHERE r.price_list_id = ANY (lists)
                                  AND split_part(r.resource, ':', 1) = used.resource)
               AND NOT EXISTS (
                    SELECT 1 FROM pricing_equivalents(lists, job.cluster_id, job.partition, job.qos) e
                      JOIN pricing_equivalentpart p ON p.equivalent_id = e.id
                     WHERE split_part(p.resource, ':', 1) = used.resource)
        ) THEN
            RETURN NULL;
        END IF;
        RETURN EXISTS (SELECT 1 FROM pricing_rate r WHERE r.price_list_id = ANY (lists)
                          AND pricing_quantity(r.id, $1, lists) IS NOT NULL);
    """,
)

# Rates of which a job's stored figure is the quantity, whatever the job, are told once a statement;
# only the others are worked out for each charge.
QUANTITY = set_trigger(
    "pricing_charge",
    name="pricing_charge_quantity",
    event="INSERT",
    declare="plain bigint[];",
    body="""
        SELECT coalesce(array_agg(r.id), '{}') INTO plain FROM pricing_rate r
          JOIN pricing_pricelist l ON l.id = r.price_list_id
         WHERE r.id IN (SELECT rate_id FROM new_rows) AND r.resource IN ('cpu', 'gpu', 'mem')
           AND r.basis = 'allocated' AND r.cluster_id IS NULL
           AND r.partition = '' AND r.qos = '' AND l.tier_id IS NOT NULL
           AND l.quantum_seconds = 1 AND l.minimum_seconds = 0 AND NOT l.suspended_is_free
           AND NOT EXISTS (SELECT 1 FROM pricing_statepolicy s WHERE s.price_list_id = l.id)
           AND NOT EXISTS (SELECT 1 FROM pricing_equivalent e WHERE e.price_list_id = l.id)
           AND NOT EXISTS (
                SELECT 1 FROM pricing_rate o WHERE o.price_list_id = l.id AND o.id <> r.id
                   AND split_part(o.resource, ':', 1) = r.resource);
        IF EXISTS (
            SELECT 1 FROM new_rows n LEFT JOIN usage_job j ON j.id = n.job_id
             WHERE n.reverses_id IS NULL AND n.kind IN ('usage', 'minimum') AND NOT coalesce(
                j."end" = n.job_end AND CASE
                    WHEN n.kind = 'minimum' THEN true
                    WHEN n.rate_id = ANY (plain) AND n.share_id IS NULL AND n.basis = ''
                     AND n.quantity = CASE n.resource WHEN 'cpu' THEN j.cpu_seconds
                            WHEN 'gpu' THEN j.gpu_seconds ELSE j.mem_mib_seconds END THEN true
                    ELSE pricing_fits(
                        n.job_id, n.project_id, n.share_id, n.rate_id, n.quantity, n.basis)
                END, false)
        ) THEN
            RAISE EXCEPTION 'a charge must carry the quantity and the end of its job'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)

PRICE = set_trigger(
    "pricing_charge",
    name="pricing_charge_price",
    event="INSERT",
    body="""
        IF EXISTS (
            SELECT 1 FROM (
                SELECT rate_id, project_id, resource, unit_price, unit_size, currency,
                       generation = 1 AND kind = 'usage' AS is_first,
                       min(job_end) AS first_end, max(job_end) AS last_end
                  FROM new_rows WHERE reverses_id IS NULL AND kind NOT IN ('minimum', 'true_up', 'manual')
                 GROUP BY 1, 2, 3, 4, 5, 6, 7
            ) n
              LEFT JOIN pricing_rate r ON r.id = n.rate_id
              LEFT JOIN pricing_pricelist l ON l.id = r.price_list_id
             WHERE NOT coalesce(
                r.resource = n.resource AND n.unit_size = pricing_unit_size(n.resource)
                AND CASE WHEN pricing_is_linear(r) THEN r.unit_price = n.unit_price
                         ELSE n.unit_price IS NULL END
                AND l.currency = n.currency AND l.status = 'published'
                AND l.effective_at <= n.first_end AND coalesce(n.last_end < l.ends_at, true)
                AND coalesce(l.project_id = n.project_id, true)
                AND (l.tier_id IS NULL OR NOT n.is_first OR EXISTS (
                    SELECT 1 FROM accounts_projecttier t
                     WHERE t.project_id = n.project_id AND t.tier_id = l.tier_id
                       AND t.starts_at <= n.last_end AND coalesce(t.ends_at > n.first_end, true))),
                false)
        ) THEN
            RAISE EXCEPTION 'a charge must carry the price of a published list in effect'
                USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (
            SELECT 1 FROM new_rows n LEFT JOIN pricing_rate r ON r.id = n.rate_id
             WHERE n.kind = 'item' AND n.reverses_id IS NULL
               AND r.price_list_id IS DISTINCT FROM (
                    SELECT o.price_list_id
                      FROM unnest(pricing_lists(n.project_id, '', n.job_end))
                           WITH ORDINALITY AS counting (id, place)
                      JOIN pricing_rate o ON o.price_list_id = counting.id
                       AND o.resource = n.resource
                     ORDER BY counting.place LIMIT 1)
               AND NOT EXISTS (
                    SELECT 1 FROM pricing_charge c JOIN pricing_charge b ON b.reverses_id = c.id
                     WHERE c.kind = 'item' AND c.project_id = n.project_id
                       AND c.rate_id = n.rate_id AND c.job_end = n.job_end
                       AND c.quantity = n.quantity)
        ) THEN
            RAISE EXCEPTION 'an item has the price of the list that counts for its project'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)

# Whether what was added to a project's month, which ends with that moment, is what the list's cap
# and commitment ask for, no more and no less, and the list's terms are those that count. All may be
# taken back by the list of before. The database doesn't know the site's zone: a month begins where
# one that ends then does, an hour more or less where summer time began or ended in it.
TRUES_UP = function(
    "pricing_trues_up(project_id bigint, price_list_id bigint, last timestamptz)",
    returns="boolean",
    declare="terms pricing_pricelist; ends timestamp; named timestamp; begins timestamp; made numeric;",
    body="""
        SELECT * INTO terms FROM pricing_pricelist l WHERE l.id = $2;
        ends := ($3 + interval '1 microsecond') AT TIME ZONE 'UTC';
        named := date_trunc('month', ends + interval '15 days');
        begins := named - interval '1 month' - (named - ends);
        IF named - ends NOT BETWEEN interval '-12 hours' AND interval '14 hours' THEN
            RETURN false;
        END IF;
        SELECT sum(c.amount) INTO made FROM pricing_charge c
         WHERE c.project_id = $1 AND c.kind = 'true_up' AND c.currency = terms.currency
           AND c.job_end > (begins + interval '15 days') AT TIME ZONE 'UTC'
           AND c.job_end < (ends + interval '15 days') AT TIME ZONE 'UTC';
        RETURN (made = 0 OR $2 = pricing_terms(pricing_lists($1, '', $3))) AND EXISTS (
            SELECT 1 FROM (
                SELECT coalesce(sum(c.amount), 0) AS charged
                  FROM generate_series(-1, 1) AS shift (hours)
                  LEFT JOIN pricing_charge c
                    ON c.project_id = $1 AND c.kind NOT IN ('true_up', 'manual') AND c.currency = terms.currency
                   AND c.job_end >= (begins + shift.hours * interval '1 hour') AT TIME ZONE 'UTC'
                   AND c.job_end <= $3
                 GROUP BY shift.hours
              ) month
             WHERE made = 0 AND $2 IS DISTINCT FROM pricing_terms(pricing_lists($1, '', $3))
                OR made = CASE WHEN month.charged > terms.cap THEN terms.cap - month.charged
                               WHEN month.charged < terms.commitment
                               THEN terms.commitment - month.charged
                               ELSE 0 END);
    """,
)

# What has no rate: the minimum of a job, which its charges in force don't reach, and what brings a
# month up to its commitment or down to its cap. The lists are those that count; what stands in for
# a charge that was reversed may be as that one was.
TERMS = set_trigger(
    "pricing_charge",
    name="pricing_charge_terms",
    event="INSERT",
    body="""
        IF EXISTS (
            SELECT 1 FROM new_rows n LEFT JOIN pricing_pricelist l ON l.id = n.price_list_id
              LEFT JOIN accounts_splitshare s ON s.id = n.share_id
             WHERE n.reverses_id IS NULL AND n.kind IN ('minimum', 'true_up') AND NOT coalesce(
                l.status = 'published' AND l.currency = n.currency
                AND l.effective_at <= n.job_end AND coalesce(n.job_end < l.ends_at, true)
                AND n.resource = n.kind AND CASE n.kind
                    WHEN 'true_up' THEN l.cap IS NOT NULL OR l.commitment IS NOT NULL
                    ELSE n.amount > 0
                     AND n.amount = round(l.minimum_per_job * coalesce(s.percent, 100) / 100, 6) - (
                        SELECT sum(c.amount) FROM pricing_charge c
                         WHERE c.job_id = n.job_id AND c.project_id = n.project_id
                           AND c.kind = 'usage' AND c.reverses_id IS NULL
                           AND NOT EXISTS (
                                SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id))
                END, false)
        ) THEN
            RAISE EXCEPTION 'a minimum, cap or commitment is that of a published list'
                USING ERRCODE = 'check_violation';
        END IF;
        IF EXISTS (
            SELECT 1 FROM new_rows n LEFT JOIN usage_job j ON j.id = n.job_id
             WHERE n.kind = 'minimum' AND n.reverses_id IS NULL
               AND n.price_list_id IS DISTINCT FROM
                   pricing_terms(pricing_lists(n.project_id, j.user_name, n.job_end))
               AND NOT EXISTS (
                    SELECT 1 FROM pricing_charge c JOIN pricing_charge b ON b.reverses_id = c.id
                     WHERE c.job_id = n.job_id AND c.project_id = n.project_id
                       AND c.kind = 'minimum' AND c.price_list_id = n.price_list_id
                       AND c.share_id IS NOT DISTINCT FROM n.share_id)
        ) THEN
            RAISE EXCEPTION 'a minimum is that of the list that counts for the project'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)
# What stands in for a true-up that is taken back at the same time changes nothing; taking one back
# alone does. The project's lock orders two writers.
TRUED_UP = set_trigger(
    "pricing_charge",
    name="pricing_charge_trued_up",
    event="INSERT",
    body="""
        IF NOT EXISTS (SELECT 1 FROM new_rows WHERE kind = 'true_up') THEN
            RETURN NULL;
        END IF;
        PERFORM 1 FROM accounts_project WHERE id IN (
            SELECT project_id FROM new_rows WHERE kind = 'true_up')
          ORDER BY id FOR NO KEY UPDATE;
        IF EXISTS (
            SELECT 1 FROM new_rows n WHERE n.kind = 'true_up'
             GROUP BY n.project_id, n.price_list_id, n.job_end,
                   CASE WHEN n.reverses_id IS NULL THEN n.amount ELSE -n.amount END
            HAVING count(*) <> 2 * count(n.reverses_id)
               AND NOT coalesce(
                    pricing_trues_up(n.project_id, n.price_list_id, n.job_end), false)
        ) THEN
            RAISE EXCEPTION 'a month is brought to its cap or commitment and no further'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)

# The very same item is in force once. The project's lock orders two writers.
ITEM_ONCE = set_trigger(
    "pricing_charge",
    name="pricing_charge_item_once",
    event="INSERT",
    body="""
        IF NOT EXISTS (SELECT 1 FROM new_rows WHERE kind = 'item' AND reverses_id IS NULL) THEN
            RETURN NULL;
        END IF;
        PERFORM 1 FROM accounts_project WHERE id IN (
            SELECT project_id FROM new_rows WHERE kind = 'item')
          ORDER BY id FOR NO KEY UPDATE;
        IF EXISTS (
            SELECT 1 FROM new_rows n JOIN pricing_charge c
                ON c.project_id = n.project_id AND c.job_end = n.job_end
               AND c.resource = n.resource AND c.quantity = n.quantity AND c.id <> n.id
             WHERE n.kind = 'item' AND n.reverses_id IS NULL
               AND c.kind = 'item' AND c.reverses_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
        ) THEN
            RAISE EXCEPTION 'the same item of the same moment is charged already'
                USING ERRCODE = 'unique_violation';
        END IF;
    """,
)

NEGATES = set_trigger(
    "pricing_charge",
    name="pricing_charge_negates",
    event="INSERT",
    body="""
        IF EXISTS (
            SELECT 1 FROM new_rows n LEFT JOIN pricing_charge c ON c.id = n.reverses_id
             WHERE n.reverses_id IS NOT NULL AND (c.id IS NULL OR c.reverses_id IS NOT NULL OR
                   (c.job_id, c.project_id, c.share_id, c.kind, c.resource, c.generation,
                    c.rate_id, c.price_list_id, c.job_end, -c.quantity, c.unit_size, c.unit_price,
                    -c.amount, c.currency, c.basis, c.counter_after IS NULL)
                   IS DISTINCT FROM
                   (n.job_id, n.project_id, n.share_id, n.kind, n.resource, n.generation,
                    n.rate_id, n.price_list_id, n.job_end, n.quantity, n.unit_size, n.unit_price,
                    n.amount, n.currency, n.basis, n.counter_after IS NULL))
        ) THEN
            RAISE EXCEPTION 'a reversal must negate its charge exactly'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)

# A first charge is once by charge_once. For later ones, and for shares, the job's row lock orders
# two writers, so that the second one sees the first one's charge.
ONE_LIVE = set_trigger(
    "pricing_charge",
    name="pricing_charge_one_live",
    event="INSERT",
    body="""
        IF NOT EXISTS (
            SELECT 1 FROM new_rows WHERE reverses_id IS NULL AND job_id IS NOT NULL
               AND (generation > 1 OR share_id IS NOT NULL)) THEN
            RETURN NULL;
        END IF;
        PERFORM 1 FROM usage_job WHERE id IN (
            SELECT job_id FROM new_rows WHERE reverses_id IS NULL
               AND (generation > 1 OR share_id IS NOT NULL))
          ORDER BY id FOR NO KEY UPDATE;
        IF EXISTS (
            SELECT 1 FROM new_rows n JOIN pricing_charge c
                ON c.job_id = n.job_id AND c.resource = n.resource AND c.id <> n.id
             WHERE n.reverses_id IS NULL AND (n.generation > 1 OR n.share_id IS NOT NULL)
               AND c.reverses_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
               AND (c.project_id = n.project_id OR NOT EXISTS (
                    SELECT 1 FROM accounts_splitshare a JOIN accounts_splitshare b
                        ON b.split_id = a.split_id
                     WHERE a.id = c.share_id AND b.id = n.share_id))
        ) THEN
            RAISE EXCEPTION 'the job has a charge in force for this resource'
                USING ERRCODE = 'unique_violation';
        END IF;
    """,
)

# Charges by a counter follow each other without a gap, and after each of them that takes nothing
# back the sum of all is the price of the whole quantity. The counter's sums are made here alone.
COUNTS = set_trigger(
    "pricing_charge",
    name="pricing_charge_counts",
    event="INSERT",
    definer=True,
    body="""
        IF NOT EXISTS (SELECT 1 FROM new_rows WHERE counter_after IS NOT NULL) THEN
            RETURN NULL;
        END IF;
        IF EXISTS (
            SELECT 1 FROM (
                SELECT n.rate_id, n.reverses_id, n.counter_before, n.counter_after, n.quantity,
                       k.quantity + sum(n.quantity) OVER w AS reached,
                       k.amount + sum(n.amount) OVER w AS charged
                  FROM new_rows n LEFT JOIN pricing_counter k
                    ON k.project_id = n.project_id AND k.rate_id = n.rate_id
                   AND k.starts_at <= n.job_end AND n.job_end < k.ends_at
                 WHERE n.counter_after IS NOT NULL
                WINDOW w AS (PARTITION BY k.id ORDER BY n.id)
            ) n
             WHERE NOT coalesce(n.counter_after = n.reached AND (n.reverses_id IS NOT NULL
                   OR n.charged = pricing_cumulative(n.rate_id, n.counter_after)), false)
        ) THEN
            RAISE EXCEPTION 'charges by a counter add up to the price of the whole'
                USING ERRCODE = 'check_violation';
        END IF;
        UPDATE pricing_counter k
           SET quantity = k.quantity + n.quantity, amount = k.amount + n.amount
          FROM (
            SELECT c.id, sum(x.quantity) AS quantity, sum(x.amount) AS amount
              FROM new_rows x JOIN pricing_counter c
                ON c.project_id = x.project_id AND c.rate_id = x.rate_id
               AND c.starts_at <= x.job_end AND x.job_end < c.ends_at
             WHERE x.counter_after IS NOT NULL GROUP BY c.id
          ) n
         WHERE k.id = n.id;
    """,
)

_LIVE = """
    pricing_charge c WHERE c.job_id = n.job_id AND c.reverses_id IS NULL
       AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
"""
# Over ``new_rows``: which ratings contradict the job or its charges. A job can't be declared free or
# paid for by someone else: that would bill it nowhere. Exempt is what used nothing, falls under an
# exemption of its cluster, or costs nothing by the lists of who pays. Of a job that changed, and is
# due, a share may be missing: its document became void while another share is still on one.
_FITS = """
    IF EXISTS (
        SELECT 1 FROM new_rows n
          LEFT JOIN LATERAL (
            SELECT count(*) > 0 AS charged,
                   coalesce(bool_or(c.project_id IS DISTINCT FROM n.project_id
                                    OR c.share_id IS NOT NULL), false) AS elsewhere
              FROM @live
          ) found ON true
         WHERE found.charged <> (n.status = 'rated')
            OR found.elsewhere AND NOT pricing_is_borne(n.job_id, n.project_id)
               AND NOT (n.due AND EXISTS (
                    SELECT 1 FROM usage_job j
                     WHERE j.id = n.job_id AND j.revision <> n.job_revision))
    ) OR EXISTS (
        SELECT 1 FROM new_rows n LEFT JOIN usage_job j ON j.id = n.job_id
         WHERE n.status <> 'rated' AND (j.id IS NULL OR n.status = 'exempt'
               AND (j.cpu_seconds > 0 OR j.gpu_seconds > 0 OR j.mem_mib_seconds > 0)
               AND NOT (n.reason = 'exempted' AND usage_exemption_of(n.job_id) IS NOT NULL
                        OR n.reason IN ('state', 'free') AND NOT EXISTS (
                            SELECT 1 FROM accounts_bearers(n.project_id, j."end") b
                             WHERE coalesce(pricing_owes(n.job_id, b.project_id), true))))
    ) THEN
        RAISE EXCEPTION 'the rating contradicts the job or its charges'
            USING ERRCODE = 'check_violation';
    END IF;
""".replace("@live", _LIVE)
# Charges of a job that are not all its project's own: either each share of one split of the project
# has what it pays for, or one other project pays for all, as a split says that ended.
BORNE = function(
    "pricing_is_borne(job_id bigint, project_id bigint)",
    returns="boolean",
    declare="split bigint; payers bigint[]; n record;",
    body="""
        SELECT $1 AS job_id INTO n;
        SELECT array_agg(DISTINCT c.project_id) INTO payers FROM @live;
        SELECT min(s.split_id) INTO split FROM accounts_splitshare s
         WHERE s.id IN (SELECT c.share_id FROM @live);
        IF split IS NULL THEN
            RETURN cardinality(payers) = 1 AND EXISTS (
                SELECT 1 FROM accounts_split p
                 WHERE p.project_id = $2 AND p.fallback_id = payers[1]);
        END IF;
        RETURN EXISTS (SELECT 1 FROM accounts_split p WHERE p.id = split AND p.project_id = $2)
            AND NOT EXISTS (
                SELECT 1 FROM @live AND NOT EXISTS (
                    SELECT 1 FROM accounts_splitshare s
                     WHERE s.id = c.share_id AND s.split_id = split
                       AND s.project_id = c.project_id))
            AND NOT EXISTS (
                SELECT 1 FROM accounts_splitshare s
                 WHERE s.split_id = split
                   AND NOT EXISTS (SELECT 1 FROM @live AND c.share_id = s.id)
                   AND EXISTS (
                        SELECT 1 FROM @live AND c.kind = 'usage'
                           AND c.quantity >= ceil(100 / s.percent))
                   AND pricing_owes($1, s.project_id) IS NOT FALSE);
    """.replace("@live", _LIVE),
)
# A job that is rated for the first time is paid for by those who bear it then.
BORNE_NOW = set_trigger(
    "pricing_jobrating",
    name="pricing_jobrating_borne",
    event="INSERT",
    body="""
        IF EXISTS (SELECT 1 FROM accounts_split
                    WHERE project_id IN (SELECT project_id FROM new_rows)) AND EXISTS (
            SELECT 1 FROM new_rows n JOIN pricing_charge c ON c.job_id = n.job_id
             WHERE n.status = 'rated' AND c.reverses_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
               AND NOT EXISTS (
                    SELECT 1 FROM accounts_bearers(n.project_id, c.job_end) b
                     WHERE b.project_id = c.project_id
                       AND b.share_id IS NOT DISTINCT FROM c.share_id)
        ) THEN
            RAISE EXCEPTION 'a job is paid for by those who bear the costs of its project'
                USING ERRCODE = 'check_violation';
        END IF;
    """,
)

COUNTERS = [
    refuse(
        "pricing_counter",
        "INSERT",
        "a counter begins at nothing, on the first day of its month",
        when="NEW.quantity <> 0 OR NEW.amount <> 0 OR abs(extract(epoch FROM"
        " NEW.starts_at - NEW.month::timestamp AT TIME ZONE 'UTC')) > 86400",
        name="pricing_counter_begins",
    ),
    # Within any trigger is not enough: whoever may make a temporary table has one of their own.
    # Only the owner's function, which counts charges, runs as the owner of the table.
    trigger(
        "pricing_counter",
        name="pricing_counter_counts",
        timing="BEFORE UPDATE",
        body="""
            IF pg_trigger_depth() < 2 OR NOT EXISTS (
                SELECT 1 FROM pg_class
                 WHERE oid = TG_RELID AND relowner = current_user::regrole) THEN
                RAISE EXCEPTION 'UPDATE on % is refused: a counter moves by the charges that it'
                    ' prices', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse("pricing_counter", "DELETE", "counters are never deleted"),
    no_truncate("pricing_counter"),
    trigger(
        "pricing_counter",
        name="pricing_counter_adds_up",
        timing="AFTER INSERT OR UPDATE DEFERRABLE INITIALLY DEFERRED",
        body="""
            IF EXISTS (SELECT 1 FROM pricing_counter WHERE id = NEW.id
                          AND amount IS DISTINCT FROM pricing_cumulative(rate_id, quantity)) THEN
                RAISE EXCEPTION 'the charges of a counter are not the price of its quantity'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]

SPLITS = [
    trigger(
        "accounts_splitshare",
        name="pricing_share_stays",
        timing="BEFORE DELETE",
        body="""
            IF EXISTS (SELECT 1 FROM pricing_charge WHERE share_id = OLD.id) THEN
                RAISE EXCEPTION 'jobs were charged by this share'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN OLD;
        """,
    ),
    trigger(
        "accounts_split",
        name="pricing_notices_split",
        timing="AFTER INSERT OR UPDATE OR DELETE",
        body="""
            IF TG_OP <> 'INSERT' THEN
                INSERT INTO pricing_recheck (project_id, starts_at)
                VALUES (OLD.project_id, OLD.starts_at);
            ELSE
                INSERT INTO pricing_recheck (project_id, starts_at)
                VALUES (NEW.project_id, NEW.starts_at);
            END IF;
            RETURN NULL;
        """,
    ),
    trigger(
        "pricing_pricelist",
        name="pricing_notices_negotiated",
        timing="AFTER UPDATE OF status",
        when="NEW.status = 'published' AND OLD.status <> 'published' AND NEW.tier_id IS NULL"
        " AND NEW.effective_at < now()",
        body="""
            INSERT INTO pricing_recheck (project_id, user_name, starts_at, ends_at)
            SELECT NEW.project_id,
                   coalesce((SELECT username FROM accounts_user WHERE id = NEW.user_id), ''),
                   NEW.effective_at, NEW.ends_at;
            RETURN NULL;
        """,
    ),
]

_RECOMPUTES = """
    ALTER TABLE pricing_charge DROP CONSTRAINT charge_amount_recomputes,
    ADD CONSTRAINT charge_amount_recomputes CHECK (
        {or_counted}(
            2 * (abs(quantity) * unit_price - abs(amount) * unit_size) < unit_size * 0.000001
            AND 2 * (abs(amount) * unit_size - abs(quantity) * unit_price) <= unit_size * 0.000001
            AND amount * quantity >= 0)
    )
"""

RULES = [
    migrations.RunSQL(
        _RECOMPUTES.format(or_counted="unit_price IS NULL OR "), _RECOMPUTES.format(or_counted="")
    ),
    LISTS,
    LINEAR,
    FITS,
    OWES,
    BORNE,
    *_instead(_THIRD, "pricing_charge_quantity", QUANTITY),
    *_instead(_FIRST, "pricing_charge_price", PRICE),
    *_instead(_FIRST, "pricing_charge_negates", NEGATES),
    *_instead(_FIRST, "pricing_charge_one_live", ONE_LIVE),
    TRUES_UP,
    TERMS,
    TRUED_UP,
    ITEM_ONCE,
    COUNTS,
    *_instead(
        _THIRD,
        "pricing_jobrating_fits",
        set_trigger("pricing_jobrating", name="pricing_jobrating_fits", event="INSERT", body=_FITS),
    ),
    *_instead(
        _THIRD,
        "pricing_jobrating_fits_changed",
        set_trigger(
            "pricing_jobrating", name="pricing_jobrating_fits_changed", event="UPDATE", body=_FITS
        ),
    ),
    BORNE_NOW,
    *COUNTERS,
    *SPLITS,
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_splits_add_up"),
        ("pricing", "0010_prices_in_sql"),
    ]

    operations = [
        migrations.AddField(
            "charge",
            "share",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.splitshare",
                verbose_name="share",
            ),
        ),
        migrations.AddField(
            "counter",
            "starts_at",
            models.DateTimeField(verbose_name="from"),
        ),
        migrations.AddField(
            "counter",
            "ends_at",
            models.DateTimeField(verbose_name="until"),
        ),
        migrations.AddField(
            "recheck",
            "user_name",
            models.CharField(blank=True, db_default="", max_length=128),
        ),
        migrations.AlterField(
            "jobrating",
            "reason",
            models.CharField(
                blank=True,
                choices=[
                    ("", "–"),
                    ("no_project", "No project has this Slurm account"),
                    ("project_inactive", "The project is not active"),
                    ("no_tier", "The project had no tier when the job ended"),
                    ("no_list", "The tier had no price list when the job ended"),
                    ("no_rate", "The price list has no rate for a resource that the job used"),
                    ("no_usage", "The job used nothing"),
                    ("exempted", "An exemption of the cluster covers it"),
                    ("state", "The price list bills nothing of jobs that ended so"),
                    ("free", "The price list charges nothing for what the job used"),
                    ("currencies", "The price lists that count are in several currencies"),
                    ("unreadable", "What the job used can't be read"),
                    ("too_large", "The amount is too large to be charged"),
                    ("changed", "The job changed; it is rated anew"),
                ],
                max_length=32,
                verbose_name="reason",
            ),
        ),
        migrations.RemoveConstraint("charge", "charge_once"),
        migrations.AddConstraint(
            "charge",
            models.UniqueConstraint(
                condition=Q(job__isnull=False),
                fields=("job", "resource", "share", "generation", "reverses"),
                name="charge_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            "charge",
            models.Index(condition=Q(share__isnull=False), fields=["share"], name="charge_share"),
        ),
        migrations.AddConstraint(
            "counter",
            models.CheckConstraint(
                condition=Q(
                    ends_at__gt=F("starts_at") + timedelta(days=27),
                    ends_at__lt=F("starts_at") + timedelta(days=32),
                ),
                name="counter_of_a_month",
            ),
        ),
        migrations.AddConstraint(
            "counter",
            django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    (accounts.models.Same("project"), "&&"),
                    (accounts.models.Same("rate"), "&&"),
                    (accounts.models.Span("starts_at", "ends_at"), "&&"),
                ],
                name="counter_no_overlap",
            ),
        ),
        *RULES,
    ]
