"""What a quantity costs and what a job's quantities are, said once more by the database.

These say the same as ``pricing.engine``, which a test compares them with: rules of tables rest on
them, and what is asked of many jobs at once. All arithmetic is on numeric with ``div``, because a
division of numerics rounds.
"""

from django.db import migrations

from core.rules import function

UNIT_SIZE = function(
    "pricing_unit_size(resource text)",
    returns="bigint",
    pure=True,
    body="""
        SELECT CASE split_part(resource, ':', 1)
            WHEN 'cpu' THEN 3600 WHEN 'gpu' THEN 3600 WHEN 'node' THEN 3600
            WHEN 'license' THEN 3600
            WHEN 'mem' THEN 3600 * 1024
            WHEN 'billing' THEN 3600 * 1000000::bigint WHEN 'unit' THEN 3600 * 1000000::bigint
            WHEN 'energy' THEN 3600000
            WHEN 'sku' THEN 1000000
        END
    """,
)

# F. Units are counted in base units (they may have decimals: an allowance has) and money in base
# units of a unit times the currency, so that nothing is divided before the end.
CUMULATIVE = function(
    "pricing_cumulative(rate_id bigint, quantity bigint)",
    returns="numeric",
    body="""
        SELECT div(
            2 * 1000000 * greatest(
                total * (100 - discount_percent) - discount_amount * 100 * size, 0
            ) + 100 * size,
            2 * 100 * size
        ) * 0.000001
        FROM (
            SELECT rate.discount_percent, rate.discount_amount, rate.size, CASE
                WHEN used <= 0 THEN
                    CASE WHEN NOT rate.fee_at_zero THEN 0
                    WHEN rate.model IN ('flat', 'package') THEN rate.flat_fee * size
                    ELSE (
                        SELECT slab.flat_fee * size FROM pricing_slab slab
                        WHERE slab.rate_id = rate.id ORDER BY slab.up_to LIMIT 1
                    ) END
                WHEN rate.model = 'flat' THEN used * rate.unit_price + rate.flat_fee * size
                WHEN rate.model = 'package' THEN (
                    (div(used, rate.package_units * size)
                    + (mod(used, rate.package_units * size) > 0)::int) * rate.unit_price
                    + rate.flat_fee
                ) * size
                WHEN rate.model = 'volume' THEN (
                    SELECT used * slab.unit_price + slab.flat_fee * size FROM pricing_slab slab
                    WHERE slab.rate_id = rate.id
                    AND (slab.up_to IS NULL OR slab.up_to * size >= used)
                    ORDER BY slab.up_to LIMIT 1
                )
                ELSE (
                    SELECT sum(
                        (least(used, slab.up_to * size) - slab.above * size) * slab.unit_price
                        + slab.flat_fee * size
                    )
                    FROM (
                        SELECT up_to, unit_price, flat_fee,
                            lag(up_to, 1, 0) OVER (ORDER BY up_to) AS above
                        FROM pricing_slab WHERE pricing_slab.rate_id = rate.id
                    ) slab
                    WHERE slab.above * size < used
                )
            END AS total
            FROM (
                SELECT *, pricing_unit_size(resource)::numeric AS size,
                    pricing_cumulative.quantity
                    - allowance * pricing_unit_size(resource) AS used
                FROM pricing_rate WHERE pricing_rate.id = pricing_cumulative.rate_id
            ) rate
            WHERE pricing_cumulative.quantity >= 0
        ) month
    """,
)

# The winning rate: the first of the lists that has one for the job, and in it the most specific.
CHOOSE = function(
    "pricing_choose(lists bigint[], resource text, cluster_id bigint, partition text, qos text)",
    returns="bigint",
    body="""
        SELECT rate.id FROM pricing_rate rate
        WHERE rate.price_list_id = ANY ($1)
        AND rate.resource IN ($2, CASE WHEN $2 LIKE 'gpu:%' THEN 'gpu' ELSE $2 END)
        AND (rate.cluster_id IS NULL OR rate.cluster_id = $3)
        AND rate.partition IN ('', $4) AND rate.qos IN ('', $5)
        ORDER BY array_position($1, rate.price_list_id),
            (rate.cluster_id IS NOT NULL)::int + (rate.partition <> '')::int
            + (rate.qos <> '')::int + (rate.resource LIKE 'gpu:%')::int DESC,
            rate.id
        LIMIT 1
    """,
)

# The amount of a resource in canonical TRES text; zero if it is not there.
TRES = function(
    "pricing_tres(tres text, resource text)",
    returns="numeric",
    pure=True,
    body="""
        SELECT coalesce(
            nullif(
                split_part(split_part(',' || tres || ',', ',' || resource || '=', 2), ',', 1), ''
            ),
            '0'
        )::numeric
    """,
)

MEMORY = function(
    "pricing_tres_kib(tres text)",
    returns="numeric",
    pure=True,
    body="""
        SELECT CASE WHEN right(size, 1) = 'M' THEN 1024 ELSE 1 END
            * coalesce(nullif(rtrim(size, 'MK'), ''), '0')::numeric
        FROM (SELECT split_part(split_part(',' || tres || ',', ',mem=', 2), ',', 1) AS size) memory
    """,
)

# The types of GPUs and, as the empty type, those whose type is not said.
GPUS = function(
    "pricing_tres_gpus(tres text)",
    returns="TABLE (kind text, gpus numeric)",
    pure=True,
    body="""
        SELECT substr(split_part(item, '=', 1), 10), split_part(item, '=', 2)::numeric
        FROM string_to_table(tres, ',') item WHERE item LIKE 'gres/gpu:%'
        UNION ALL
        SELECT '', pricing_tres(tres, 'gres/gpu') - coalesce(
            sum(split_part(item, '=', 2)::numeric) FILTER (WHERE item LIKE 'gres/gpu:%'), 0
        )
        FROM string_to_table(tres, ',') item
    """,
)

# The list whose terms count: the tier's, and without one the first.
TERMS = function(
    "pricing_terms(lists bigint[])",
    returns="bigint",
    body="""
        SELECT id FROM pricing_pricelist WHERE id = ANY (lists)
        ORDER BY tier_id IS NULL, array_position(lists, id) LIMIT 1
    """,
)

# The equivalents that apply to a job: of each code that has a rate the most specific one.
EQUIVALENTS = function(
    "pricing_equivalents(lists bigint[], cluster_id bigint, partition text, qos text)",
    returns="TABLE (id bigint, resource text)",
    body="""
        SELECT DISTINCT ON (one.code) one.id, 'unit:' || one.code
        FROM pricing_equivalent one
        WHERE one.price_list_id = pricing_terms($1)
        AND (one.cluster_id IS NULL OR one.cluster_id = $2) AND one.partition IN ('', $3)
        AND pricing_choose($1, 'unit:' || one.code, $2, $3, $4) IS NOT NULL
        ORDER BY one.code, (one.cluster_id IS NOT NULL)::int + (one.partition <> '')::int DESC,
            one.cluster_id
    """,
)

UNITS = function(
    "pricing_units(equivalent_id bigint, tres text, seconds bigint)",
    returns="numeric",
    declare="part record; amount numeric; top numeric := 0; bottom numeric := 1; whole numeric;",
    body="""
        FOR part IN
            SELECT p.resource, p.counts * 1000000 AS counts, p.per * 1000000 AS per, e.combine
            FROM pricing_equivalentpart p JOIN pricing_equivalent e ON e.id = p.equivalent_id
            WHERE p.equivalent_id = $1
        LOOP
            whole := part.per;
            IF part.resource = 'cpu' OR part.resource = 'node' THEN
                amount := pricing_tres($2, part.resource);
            ELSIF part.resource = 'mem' THEN
                amount := pricing_tres_kib($2);
                whole := whole * 1048576;
            ELSIF part.resource = 'gpu' THEN
                SELECT sum(gpus) INTO amount FROM pricing_tres_gpus($2) WHERE kind = '' OR NOT EXISTS (
                    SELECT FROM pricing_equivalentpart own
                    WHERE own.equivalent_id = $1 AND own.resource = 'gpu:' || kind
                );
            ELSE
                amount := pricing_tres($2, 'gres/' || part.resource);
            END IF;
            amount := amount * part.counts;
            IF part.combine = 'sum' THEN
                top := top * whole + amount * bottom;
                bottom := bottom * whole;
            ELSIF amount * bottom > top * whole THEN
                top := amount;
                bottom := whole;
            END IF;
        END LOOP;
        RETURN div(2 * 1000000 * top * $3 + bottom, 2 * bottom);
    """,
)

# How many of the GPUs that a job was given are priced by a rate. What was asked for is taken where
# it can be told whether this rate is for it.
GPU_COUNT = function(
    "pricing_gpu_count(rate_id bigint, lists bigint[], covered text[], job usage_job, asked boolean)",
    returns="numeric",
    declare="won text[]; given numeric;",
    body="""
        SELECT array_agg(kind), sum(gpus) INTO won, given
        FROM pricing_tres_gpus(job.tres)
        WHERE gpus > 0 AND rtrim('gpu:' || kind, ':') <> ALL (covered)
        AND pricing_choose(
            lists, rtrim('gpu:' || kind, ':'), job.cluster_id, job.partition, job.qos
        ) = $1;
        IF given IS NULL OR NOT asked OR job.req_tres = '' THEN
            RETURN given;
        ELSIF given = pricing_tres(job.tres, 'gres/gpu') THEN
            RETURN pricing_tres(job.req_tres, 'gres/gpu');
        ELSIF EXISTS (
            SELECT FROM pricing_tres_gpus(job.req_tres) WHERE kind = '' AND gpus > 0
        ) THEN
            RETURN given;
        END IF;
        RETURN (
            SELECT coalesce(sum(gpus), 0) FROM pricing_tres_gpus(job.req_tres) WHERE kind = ANY (won)
        );
    """,
)

# The whole job, before it is divided over projects. ``lists`` are those that price it, negotiated
# ones first; by itself a rate is priced by its own list alone. NULL where it prices nothing of it.
QUANTITY = function(
    "pricing_quantity(rate_id bigint, job_id bigint, lists bigint[] DEFAULT NULL)",
    returns="bigint",
    declare="""
        job usage_job; rate pricing_rate; terms pricing_pricelist; covered text[]; equivalent bigint;
        percent numeric; ran bigint; held bigint; asked boolean; tres text; found numeric;
    """,
    body="""
        SELECT * INTO job FROM usage_job WHERE id = $2;
        SELECT * INTO rate FROM pricing_rate WHERE id = $1;
        lists := coalesce(lists, ARRAY[rate.price_list_id]);
        SELECT * INTO terms FROM pricing_pricelist WHERE id = pricing_terms(lists);
        IF coalesce(job.elapsed_seconds + job.suspended_seconds, 0) = 0 OR terms.id IS NULL
        OR rate.resource LIKE 'sku:%' THEN
            RETURN NULL;
        END IF;
        IF rate.resource NOT LIKE 'gpu%' AND rate.id IS DISTINCT FROM pricing_choose(
            lists, rate.resource, job.cluster_id, job.partition, job.qos
        ) THEN
            RETURN NULL;
        END IF;
        SELECT coalesce(array_agg(part.resource), '{}') INTO covered
        FROM pricing_equivalents(lists, job.cluster_id, job.partition, job.qos) one
        JOIN pricing_equivalentpart part ON part.equivalent_id = one.id;
        IF rate.resource = ANY (covered) OR rate.resource LIKE 'gpu%' AND 'gpu' = ANY (covered) THEN
            RETURN NULL;
        END IF;

        ran := greatest(job.elapsed_seconds, terms.minimum_seconds);
        held := job.elapsed_seconds + job.suspended_seconds * (NOT terms.suspended_is_free)::int;
        held := greatest(held, terms.minimum_seconds);
        ran := (ran + terms.quantum_seconds - 1) / terms.quantum_seconds * terms.quantum_seconds;
        held := (held + terms.quantum_seconds - 1) / terms.quantum_seconds * terms.quantum_seconds;
        asked := rate.basis = 'requested' AND job.req_tres <> '';
        tres := CASE WHEN asked THEN job.req_tres ELSE job.tres END;

        CASE split_part(rate.resource, ':', 1)
        WHEN 'cpu' THEN
            found := pricing_tres(tres, 'cpu') * ran;
            IF rate.basis = 'used' THEN
                found := coalesce(job.used_cpu_seconds, found);
            END IF;
        WHEN 'mem' THEN
            found := div(pricing_tres_kib(tres) * held, 1024);
            IF rate.basis = 'used' THEN
                found := coalesce(job.used_mem_mib_seconds, found);
            END IF;
        WHEN 'gpu' THEN
            found := pricing_gpu_count(rate.id, lists, covered, job, asked) * held;
        WHEN 'node' THEN
            found := pricing_tres(tres, 'node') * held;
        WHEN 'billing' THEN
            found := round(pricing_tres(tres, 'billing') * 1000000 * ran);
        WHEN 'energy' THEN
            found := job.energy_joules;
        WHEN 'license' THEN
            found := round(
                greatest(pricing_tres(tres, 'license/' || substr(rate.resource, 9)), 0) * held
            );
        ELSE
            SELECT id INTO equivalent
            FROM pricing_equivalents(lists, job.cluster_id, job.partition, job.qos) one
            WHERE one.resource = rate.resource;
            IF asked AND EXISTS (
                SELECT FROM pricing_equivalentpart part
                WHERE part.equivalent_id = equivalent AND part.resource LIKE 'gpu:%'
            ) AND EXISTS (SELECT FROM pricing_tres_gpus(tres) WHERE kind = '' AND gpus > 0) THEN
                tres := job.tres;
            END IF;
            found := pricing_units(equivalent, tres, held);
        END CASE;

        SELECT policy.percent INTO percent FROM pricing_statepolicy policy
        WHERE policy.price_list_id = terms.id AND policy.state = job.state;
        found := div(2 * found * coalesce(percent, 100) + 100, 200);
        RETURN CASE WHEN found > 0 AND found < 9223372036854775808 THEN found END;
    """,
)


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0009_lists_whole"),
        ("usage", "0008_facts_of_richer_prices"),
    ]

    operations = [
        UNIT_SIZE, CUMULATIVE, CHOOSE, TRES, MEMORY, GPUS, TERMS, EQUIVALENTS, UNITS, GPU_COUNT, QUANTITY,
    ]  # fmt: skip
