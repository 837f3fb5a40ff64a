"""Who bears a job, by which lists, and what it owes, as functions of the database."""

from django.db import migrations

from core.rules import function

RULES = [
    # The lists that price a project's job, by precedence: of its user, of the project, of the tier.
    function(
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
    ),
    function(
        "pricing_is_linear(rate pricing_rate)",
        returns="boolean",
        pure=True,
        body="""
            SELECT rate.model = 'flat' AND rate.flat_fee = 0 AND rate.allowance = 0
                AND rate.discount_percent = 0 AND rate.discount_amount = 0
        """,
    ),
    # Whether a charge has the quantity that its list, its job and its share give. What stands in for a
    # charge that was reversed may be as that one was.
    function(
        """
            pricing_fits(job_id bigint, project_id bigint, share_id bigint, rate_id bigint,
                quantity bigint, basis text)
        """,
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
            ) OR $6 NOT IN ('', rate.basis, 'fallback') OR rate.basis = 'allocated'
                AND $6 <> '' THEN
                RETURN false;
            END IF;
            lists := pricing_lists($2, job.user_name, job."end");
            whole := pricing_quantity($4, $1, lists);
            RETURN rate.price_list_id = ANY (lists)
                AND $5 = CASE WHEN $3 IS NULL THEN whole ELSE accounts_part($3, whole) END;
        """,
    ),
    # Whether a project owes something for a job by its lists; null if they lack a rate or are none.
    function(
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
                   AND NOT EXISTS (SELECT 1 FROM pricing_rate r
                       WHERE r.price_list_id = ANY (lists)
                                      AND split_part(r.resource, ':', 1) = used.resource)
                   AND NOT EXISTS (
                        SELECT 1 FROM pricing_equivalents(lists, job.cluster_id, job.partition,
                            job.qos) e
                          JOIN pricing_equivalentpart p ON p.equivalent_id = e.id
                         WHERE split_part(p.resource, ':', 1) = used.resource)
            ) THEN
                RETURN NULL;
            END IF;
            RETURN EXISTS (SELECT 1 FROM pricing_rate r WHERE r.price_list_id = ANY (lists)
                              AND pricing_quantity(r.id, $1, lists) IS NOT NULL);
        """,
    ),
    # Charges of a job that are not all its project's own: either each share of one split of the project
    # has what it pays for, or one other project pays for all, as a split says that ended.
    function(
        "pricing_is_borne(job_id bigint, project_id bigint)",
        returns="boolean",
        declare="split bigint; payers bigint[]; n record;",
        body="""
            SELECT $1 AS job_id INTO n;
            SELECT array_agg(DISTINCT c.project_id) INTO payers FROM
                pricing_charge c WHERE c.job_id = n.job_id AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
            ;
            SELECT min(s.split_id) INTO split FROM accounts_splitshare s
             WHERE s.id IN (SELECT c.share_id FROM
                pricing_charge c WHERE c.job_id = n.job_id AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
            );
            IF split IS NULL THEN
                RETURN cardinality(payers) = 1 AND EXISTS (
                    SELECT 1 FROM accounts_split p
                     WHERE p.project_id = $2 AND p.fallback_id = payers[1]);
            END IF;
            RETURN EXISTS (SELECT 1 FROM accounts_split p WHERE p.id = split
                AND p.project_id = $2)
                AND NOT EXISTS (
                    SELECT 1 FROM
                pricing_charge c WHERE c.job_id = n.job_id AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
             AND NOT EXISTS (
                        SELECT 1 FROM accounts_splitshare s
                         WHERE s.id = c.share_id AND s.split_id = split
                           AND s.project_id = c.project_id))
                AND NOT EXISTS (
                    SELECT 1 FROM accounts_splitshare s
                     WHERE s.split_id = split
                       AND NOT EXISTS (SELECT 1 FROM
                pricing_charge c WHERE c.job_id = n.job_id AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
             AND c.share_id = s.id)
                       AND EXISTS (
                            SELECT 1 FROM
                pricing_charge c WHERE c.job_id = n.job_id AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
             AND c.kind = 'usage'
                               AND c.quantity >= ceil(100 / s.percent))
                       AND pricing_owes($1, s.project_id) IS NOT FALSE);
        """,
    ),
    # Whether what was added to a project's month, which ends with that moment, is what the list's cap
    # and commitment ask for, no more and no less, and the list's terms are those that count. All may be
    # taken back by the list of before. The database doesn't know the site's zone: a month begins where
    # one that ends then does, an hour more or less where summer time began or ended in it.
    function(
        "pricing_trues_up(project_id bigint, price_list_id bigint, last timestamptz)",
        returns="boolean",
        declare="""
            terms pricing_pricelist; ends timestamp; named timestamp; begins timestamp; made
                numeric;
        """,
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
                        ON c.project_id = $1 AND c.kind NOT IN ('true_up', 'manual')
                            AND c.currency = terms.currency
                       AND c.job_end >= (begins + shift.hours * interval '1 hour') AT TIME ZONE
                           'UTC'
                       AND c.job_end <= $3
                     GROUP BY shift.hours
                  ) month
                 WHERE made = 0 AND $2 IS DISTINCT FROM pricing_terms(pricing_lists($1, '', $3))
                    OR made = CASE WHEN month.charged > terms.cap THEN terms.cap - month.charged
                                   WHEN month.charged < terms.commitment
                                   THEN terms.commitment - month.charged
                                   ELSE 0 END);
        """,
    ),
    function(
        "pricing_is_taken_back(adjustment_id bigint)",
        returns="boolean",
        body="""
            SELECT coalesce(count(*) > 0 AND sum(c.amount) = 0, false)
              FROM pricing_adjustment a JOIN pricing_charge c ON c.kind = 'manual'
                  AND c.resource = 'manual:' || a.id AND c.project_id = a.project_id
                  AND c.job_end = a.at
             WHERE a.id = $1
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0002_prices_in_sql"),
        ("accounts", "0001_tables"),
        ("usage", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
