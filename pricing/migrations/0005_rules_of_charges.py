"""The rules of charges: each recomputes, none is changed, and what is taken back is so once."""

from django.db import migrations

from core.rules import append_only, no_truncate, refuse, set_trigger, trigger

RULES = [
    # Two comparisons instead of a division, which would round.
    migrations.RunSQL(
        """
        ALTER TABLE pricing_charge ADD CONSTRAINT charge_amount_recomputes CHECK (
            unit_price IS NULL OR (
                2 * (abs(quantity) * unit_price - abs(amount) * unit_size) < unit_size * 0.000001
                AND 2 * (abs(amount) * unit_size - abs(quantity) * unit_price)
                    <= unit_size * 0.000001
                AND amount * quantity >= 0)
        )
        """,
        "ALTER TABLE pricing_charge DROP CONSTRAINT charge_amount_recomputes",
    ),
    # Most rows have no charge to reverse, and would fill an index that is asked for the others.
    migrations.RunSQL(
        "ALTER TABLE pricing_charge DROP CONSTRAINT pricing_charge_reverses_id_key;"
        " CREATE UNIQUE INDEX charge_reversed_once ON pricing_charge (reverses_id)"
        " WHERE reverses_id IS NOT NULL",
        "DROP INDEX charge_reversed_once; ALTER TABLE pricing_charge"
        " ADD CONSTRAINT pricing_charge_reverses_id_key UNIQUE (reverses_id)",
    ),
    # What a charge points at exists: the job, the rate and the charge that it reverses by the rules
    # above and pricing_charge_quantity, the project by this one. None of them can go away again.
    set_trigger(
        "pricing_charge",
        name="pricing_charge_project",
        event="INSERT",
        declare="wanted bigint[]; found bigint;",
        body="""
            SELECT array_agg(n.project_id) INTO wanted
              FROM (SELECT project_id FROM new_rows GROUP BY project_id) n;
            PERFORM 1 FROM accounts_project WHERE id = ANY (wanted) ORDER BY id FOR KEY SHARE;
            GET DIAGNOSTICS found = ROW_COUNT;
            IF found <> cardinality(wanted) THEN
                RAISE EXCEPTION 'a charge must have a project'
                    USING ERRCODE = 'foreign_key_violation';
            END IF;
        """,
    ),
    *append_only("pricing_charge"),
    # Rates of which a job's stored figure is the quantity, whatever the job, are told once a statement;
    # only the others are worked out for each charge.
    set_trigger(
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
                                WHEN 'gpu' THEN j.gpu_seconds ELSE j.mem_mib_seconds END THEN
                                    true
                        ELSE pricing_fits(
                            n.job_id, n.project_id, n.share_id, n.rate_id, n.quantity, n.basis)
                    END, false)
            ) THEN
                RAISE EXCEPTION 'a charge must carry the quantity and the end of its job'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    set_trigger(
        "pricing_charge",
        name="pricing_charge_price",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM (
                    SELECT rate_id, project_id, resource, unit_price, unit_size, currency,
                           generation = 1 AND kind = 'usage' AS is_first,
                           min(job_end) AS first_end, max(job_end) AS last_end
                      FROM new_rows WHERE reverses_id IS NULL
                          AND kind NOT IN ('minimum', 'true_up', 'manual')
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
                           AND t.starts_at <= n.last_end
                               AND coalesce(t.ends_at > n.first_end, true))),
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
                        SELECT 1 FROM pricing_charge c JOIN pricing_charge b
                            ON b.reverses_id = c.id
                         WHERE c.kind = 'item' AND c.project_id = n.project_id
                           AND c.rate_id = n.rate_id AND c.job_end = n.job_end
                           AND c.quantity = n.quantity)
            ) THEN
                RAISE EXCEPTION 'an item has the price of the list that counts for its project'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    set_trigger(
        "pricing_charge",
        name="pricing_charge_negates",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM new_rows n LEFT JOIN pricing_charge c ON c.id = n.reverses_id
                 WHERE n.reverses_id IS NOT NULL AND (c.id IS NULL
                     OR c.reverses_id IS NOT NULL OR
                       (c.job_id, c.project_id, c.share_id, c.kind, c.resource, c.generation,
                        c.rate_id, c.price_list_id, c.job_end, -c.quantity, c.unit_size,
                            c.unit_price,
                        -c.amount, c.currency, c.basis, c.counter_after IS NULL)
                       IS DISTINCT FROM
                       (n.job_id, n.project_id, n.share_id, n.kind, n.resource, n.generation,
                        n.rate_id, n.price_list_id, n.job_end, n.quantity, n.unit_size,
                            n.unit_price,
                        n.amount, n.currency, n.basis, n.counter_after IS NULL))
            ) THEN
                RAISE EXCEPTION 'a reversal must negate its charge exactly'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    # A first charge is once by charge_once. For later ones, and for shares, the job's row lock orders
    # two writers, so that the second one sees the first one's charge.
    set_trigger(
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
    ),
    # What has no rate: the minimum of a job, which its charges in force don't reach, and what brings a
    # month up to its commitment or down to its cap. The lists are those that count; what stands in for
    # a charge that was reversed may be as that one was.
    set_trigger(
        "pricing_charge",
        name="pricing_charge_terms",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM new_rows n LEFT JOIN pricing_pricelist l ON l.id = n.price_list_id
                  LEFT JOIN accounts_splitshare s ON s.id = n.share_id
                 WHERE n.reverses_id IS NULL AND n.kind IN ('minimum', 'true_up')
                     AND NOT coalesce(
                    l.status = 'published' AND l.currency = n.currency
                    AND l.effective_at <= n.job_end AND coalesce(n.job_end < l.ends_at, true)
                    AND n.resource = n.kind AND CASE n.kind
                        WHEN 'true_up' THEN l.cap IS NOT NULL OR l.commitment IS NOT NULL
                        ELSE n.amount > 0
                         AND n.amount = round(l.minimum_per_job * coalesce(s.percent,
                             100) / 100, 6) - (
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
                        SELECT 1 FROM pricing_charge c JOIN pricing_charge b
                            ON b.reverses_id = c.id
                         WHERE c.job_id = n.job_id AND c.project_id = n.project_id
                           AND c.kind = 'minimum' AND c.price_list_id = n.price_list_id
                           AND c.share_id IS NOT DISTINCT FROM n.share_id)
            ) THEN
                RAISE EXCEPTION 'a minimum is that of the list that counts for the project'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    # What stands in for a true-up that is taken back at the same time changes nothing; taking one back
    # alone does. The project's lock orders two writers.
    set_trigger(
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
    ),
    # The very same item is in force once. The project's lock orders two writers.
    set_trigger(
        "pricing_charge",
        name="pricing_charge_item_once",
        event="INSERT",
        body="""
            IF NOT EXISTS (SELECT 1 FROM new_rows WHERE kind = 'item'
                AND reverses_id IS NULL) THEN
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
    ),
    # Charges by a counter follow each other without a gap, and after each of them that takes nothing
    # back the sum of all is the price of the whole quantity. The counter's sums are made here alone.
    set_trigger(
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
                    SELECT n.rate_id, n.reverses_id, n.counter_before, n.counter_after,
                        n.quantity,
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
    ),
    refuse(
        "pricing_counter",
        "INSERT",
        "a counter begins at nothing, on the first day of its month",
        name="pricing_counter_begins",
        when="""
            NEW.quantity <> 0 OR NEW.amount <> 0 OR abs(extract(epoch
                FROM NEW.starts_at - NEW.month::timestamp AT TIME ZONE 'UTC')) > 86400
        """,
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
    refuse(
        "pricing_counter",
        "DELETE",
        "counters are never deleted",
    ),
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
    # The periods are told once a statement, and locked, so that none of them closes meanwhile; so is
    # the last closed one, which might open.
    set_trigger(
        "pricing_charge",
        name="pricing_charge_booked",
        event="INSERT",
        declare="months date[]; firsts timestamptz[]; lasts timestamptz[];",
        body="""
            SELECT array_agg(n.month), array_agg(n.first), array_agg(n.last) INTO months,
                firsts, lasts
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
                    p.status = 'open' AND n.last < p.ends_at AND (n.first >= p.starts_at
                        OR p.month = (
                        SELECT max(month) + interval '1 month' FROM accounts_period
                         WHERE status = 'closed')),
                    false)
            ) THEN
                RAISE EXCEPTION
                    'a charge is booked into the earliest open period that takes its end'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0004_rules_of_lists"),
        ("accounts", "0001_tables"),
        ("usage", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
