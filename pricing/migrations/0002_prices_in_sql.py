"""Rates, quantities and counters as functions of the database, which the rules of charges call."""

from django.db import migrations

from core.rules import function

RULES = [
    function(
        "pricing_unit_size(resource text)",
        returns="bigint",
        pure=True,
        body="""
            SELECT CASE split_part(resource, ':', 1)
                WHEN 'cpu' THEN 3600 WHEN 'gpu' THEN 3600 WHEN 'node' THEN 3600
                WHEN 'license' THEN 3600
                WHEN 'mem' THEN 3600 * 1024
                WHEN 'billing' THEN 3600 * 1000000::bigint WHEN 'unit' THEN 3600 *
                    1000000::bigint
                WHEN 'energy' THEN 3600000
                WHEN 'sku' THEN 1000000
            END
        """,
    ),
    # F. Units are counted in base units (they may have decimals: an allowance has) and money in base
    # units of a unit times the currency, so that nothing is divided before the end.
    function(
        "pricing_cumulative(rate_id bigint, quantity bigint)",
        returns="numeric",
        declare="""
            rate record; slab record; size numeric; used numeric; above numeric := 0; total
                numeric := 0;
        """,
        body="""
            SELECT resource, model, unit_price, flat_fee, package_units, allowance,
                discount_percent,
                discount_amount, fee_at_zero
            INTO rate FROM pricing_rate WHERE pricing_rate.id = $1;
            IF rate.model IS NULL OR quantity < 0 THEN
                RETURN NULL;
            END IF;
            size := pricing_unit_size(rate.resource);
            used := greatest(quantity - rate.allowance * size, 0);
            IF used = 0 AND NOT rate.fee_at_zero THEN
                RETURN 0.000000;
            ELSIF rate.model = 'flat' THEN
                total := used * rate.unit_price + rate.flat_fee * size;
            ELSIF rate.model = 'package' THEN
                above := rate.package_units * size;
                total := ((div(used, above) + sign(mod(used,
                    above))) * rate.unit_price + rate.flat_fee)
                    * size;
            ELSE
                FOR slab IN
                    SELECT up_to * size AS top, unit_price, flat_fee * size AS fee
                    FROM pricing_slab WHERE pricing_slab.rate_id = $1 ORDER BY up_to
                LOOP
                    IF rate.model = 'volume' THEN
                        total := used * slab.unit_price + slab.fee;
                    ELSE
                        total := total + (least(used,
                            slab.top) - above) * slab.unit_price + slab.fee;
                        above := slab.top;
                    END IF;
                    EXIT WHEN used <= slab.top;
                END LOOP;
            END IF;
            total := total * (100 - rate.discount_percent) - rate.discount_amount * 100 * size;
            RETURN div(2000000 * greatest(total, 0) + 100 * size, 200 * size) * 0.000001;
        """,
    ),
    # The winning rate: the first of the lists that has one for the job, and in it the most specific.
    function(
        """
            pricing_choose(lists bigint[], resource text, cluster_id bigint, partition text,
                qos text)
        """,
        returns="bigint",
        inner=True,
        declare="general text := resource; found bigint;",
        body="""
            IF resource LIKE 'gpu:%' THEN
                general := 'gpu';
            END IF;
            SELECT rate.id INTO found FROM pricing_rate rate
            WHERE rate.price_list_id = ANY ($1) AND rate.resource IN ($2, general)
            AND (rate.cluster_id IS NULL OR rate.cluster_id = $3)
            AND rate.partition IN ('', $4) AND rate.qos IN ('', $5)
            ORDER BY array_position($1, rate.price_list_id),
                (rate.cluster_id IS NOT NULL)::int + (rate.partition <> '')::int
                + (rate.qos <> '')::int + (rate.resource LIKE 'gpu:%')::int DESC,
                rate.id
            LIMIT 1;
            RETURN found;
        """,
    ),
    # The amount of a resource in canonical TRES text; zero if it is not there.
    function(
        "pricing_tres(tres text, resource text)",
        returns="numeric",
        pure=True,
        body="""
            SELECT coalesce(
                nullif(split_part(split_part(',' || tres, ',' || resource || '=', 2), ',', 1),
                    ''), '0'
            )::numeric
        """,
    ),
    function(
        "pricing_tres_kib(tres text)",
        returns="numeric",
        pure=True,
        declare="size text := split_part(split_part(',' || tres, ',mem=', 2), ',', 1);",
        body="""
            IF right(size, 1) = 'M' THEN
                RETURN rtrim(size, 'M')::numeric * 1024;
            END IF;
            RETURN ('0' || rtrim(size, 'K'))::numeric;
        """,
    ),
    # The types of GPUs and, as the empty type, those whose type is not said.
    function(
        "pricing_tres_gpus(tres text)",
        returns="TABLE (kind text, gpus numeric)",
        pure=True,
        declare="item text; untyped numeric := pricing_tres(tres, 'gres/gpu');",
        body="""
            IF untyped > 0 THEN
                FOREACH item IN ARRAY string_to_array(tres, ',') LOOP
                    IF item LIKE 'gres/gpu:%' THEN
                        kind := substr(split_part(item, '=', 1), 10);
                        gpus := split_part(item, '=', 2)::numeric;
                        untyped := untyped - gpus;
                        RETURN NEXT;
                    END IF;
                END LOOP;
                IF untyped > 0 THEN
                    kind := '';
                    gpus := untyped;
                    RETURN NEXT;
                END IF;
            END IF;
        """,
    ),
    # The list whose terms count: the tier's, and without one the first.
    function(
        "pricing_terms(lists bigint[])",
        returns="bigint",
        inner=True,
        body="""
            SELECT id FROM pricing_pricelist WHERE id = ANY (lists)
            ORDER BY tier_id IS NULL, array_position(lists, id) LIMIT 1
        """,
    ),
    # The equivalents that apply to a job: of each code that has a rate the most specific one.
    function(
        "pricing_equivalents(lists bigint[], cluster_id bigint, partition text, qos text)",
        returns="TABLE (id bigint, resource text)",
        inner=True,
        body="""
            SELECT DISTINCT ON (one.code) one.id, 'unit:' || one.code
            FROM pricing_equivalent one
            WHERE one.price_list_id = pricing_terms($1)
            AND (one.cluster_id IS NULL OR one.cluster_id = $2) AND one.partition IN ('', $3)
            AND pricing_choose($1, 'unit:' || one.code, $2, $3, $4) IS NOT NULL
            ORDER BY one.code,
                (one.cluster_id IS NOT NULL)::int + (one.partition <> '')::int DESC,
                one.cluster_id
        """,
    ),
    # How many micro-units of an equivalent a job held for so many seconds.
    function(
        "pricing_units(equivalent_id bigint, tres text, seconds bigint)",
        returns="numeric",
        inner=True,
        declare="part record; amount numeric; whole numeric; top numeric := 0; bottom numeric := 1;",
        body="""
            FOR part IN
                SELECT p.resource, p.counts * 1000000 AS counts, p.per * 1000000 AS per,
                    e.combine
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
                    SELECT coalesce(sum(gpus), 0) INTO amount FROM pricing_tres_gpus($2)
                    WHERE kind = '' OR NOT EXISTS (
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
            RETURN div(2000000 * top * $3 + bottom, 2 * bottom);
        """,
    ),
    # How many of the GPUs that a job was given are priced by a rate. What was asked for is taken where
    # it can be told whether this rate is for it.
    function(
        """
            pricing_gpu_count(rate_id bigint, lists bigint[], covered text[], job record,
                asked boolean)
        """,
        returns="numeric",
        inner=True,
        declare="won text[]; given numeric;",
        body="""
            SELECT array_agg(kind), sum(gpus) INTO won, given
            FROM pricing_tres_gpus(job.tres)
            WHERE rtrim('gpu:' || kind, ':') <> ALL (covered)
            AND pricing_choose(
                lists, rtrim('gpu:' || kind, ':'), job.cluster_id, job.partition, job.qos
            ) = $1;
            IF given IS NULL OR NOT asked THEN
                RETURN given;
            ELSIF given = pricing_tres(job.tres, 'gres/gpu') THEN
                RETURN pricing_tres(job.req_tres, 'gres/gpu');
            ELSIF EXISTS (SELECT FROM pricing_tres_gpus(job.req_tres) WHERE kind = '') THEN
                RETURN given;
            END IF;
            RETURN (
                SELECT coalesce(sum(gpus), 0) FROM pricing_tres_gpus(job.req_tres)
                    WHERE kind = ANY (won)
            );
        """,
    ),
    # The whole job, before it is divided over projects. ``lists`` are those that price it, negotiated
    # ones first; by itself a rate is priced by its own list alone. NULL where it prices nothing of it.
    function(
        "pricing_quantity(rate_id bigint, job_id bigint, lists bigint[] DEFAULT NULL)",
        returns="bigint",
        declare="""
            job record; rate record; terms record; covered text[] := '{}'; equivalent bigint;
            ran bigint; held bigint; asked boolean; tres text; found numeric;
        """,
        body="""
            SELECT cluster_id, partition, qos, state, elapsed_seconds AS ran,
                elapsed_seconds + suspended_seconds AS held, usage_job.tres, req_tres,
                used_cpu_seconds, used_mem_mib_seconds, energy_joules
            INTO job FROM usage_job WHERE id = $2;
            SELECT id, price_list_id, resource, basis, split_part(resource, ':', 1) AS family
            INTO rate FROM pricing_rate WHERE id = $1;
            lists := coalesce(lists, ARRAY[rate.price_list_id]);
            SELECT id, quantum_seconds AS quantum, minimum_seconds AS least, suspended_is_free,
                EXISTS (SELECT FROM pricing_equivalent e
                    WHERE e.price_list_id = list.id) AS has_units,
                coalesce((
                    SELECT percent FROM pricing_statepolicy p
                    WHERE p.price_list_id = list.id AND p.state = job.state
                ), 100) AS percent
            INTO terms FROM pricing_pricelist list WHERE id = ANY (lists)
            ORDER BY tier_id IS NULL, array_position(lists, id) LIMIT 1;
            IF job.held IS NULL OR job.held = 0 OR terms.id IS NULL OR rate.family = 'sku'
            OR rate.family <> 'gpu' AND rate.id IS DISTINCT FROM pricing_choose(
                lists, rate.resource, job.cluster_id, job.partition, job.qos
            ) THEN
                RETURN NULL;
            END IF;
            IF terms.has_units THEN
                SELECT coalesce(array_agg(part.resource), '{}') INTO covered
                FROM pricing_equivalents(lists, job.cluster_id, job.partition, job.qos) one
                JOIN pricing_equivalentpart part ON part.equivalent_id = one.id;
                IF rate.resource = ANY (covered) OR rate.family = ANY (covered) THEN
                    RETURN NULL;
                END IF;
            END IF;

            ran := (greatest(job.ran,
                terms.least) + terms.quantum - 1) / terms.quantum * terms.quantum;
            held := CASE WHEN terms.suspended_is_free THEN ran ELSE
                (greatest(job.held,
                    terms.least) + terms.quantum - 1) / terms.quantum * terms.quantum
            END;
            asked := rate.basis = 'requested' AND job.req_tres <> '';
            tres := CASE WHEN asked THEN job.req_tres ELSE job.tres END;

            CASE rate.family
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
                found := greatest(pricing_tres(tres, 'license/' || substr(rate.resource, 9)), 0);
                found := round(found * held);
            ELSE
                SELECT id INTO equivalent
                FROM pricing_equivalents(lists, job.cluster_id, job.partition, job.qos) one
                WHERE one.resource = rate.resource;
                IF asked AND EXISTS (
                    SELECT FROM pricing_equivalentpart part
                    WHERE part.equivalent_id = equivalent AND part.resource LIKE 'gpu:%'
                ) AND EXISTS (SELECT FROM pricing_tres_gpus(tres) WHERE kind = '') THEN
                    tres := job.tres;
                END IF;
                found := pricing_units(equivalent, tres, held);
            END CASE;
            found := div(2 * found * terms.percent + 100, 200);
            RETURN CASE WHEN found > 0 AND found < 9223372036854775808 THEN found END;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0001_tables"),
        ("usage", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
