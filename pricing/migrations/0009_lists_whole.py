"""All that a list says changes only in a draft; it is whole when it is submitted; its authors, and
so who can't approve it, are kept."""

import django.db.models.deletion
from django.db import migrations, models

from core.rules import no_truncate, refuse, trigger

_LIST_OF = "SELECT status FROM pricing_pricelist WHERE id = {row}.price_list_id FOR SHARE"
_LIST_OF_RATE = (
    "SELECT l.status FROM pricing_rate r JOIN pricing_pricelist l ON l.id = r.price_list_id"
    " WHERE r.id = {row}.rate_id FOR SHARE OF l"
)
_LIST_OF_EQUIVALENT = (
    "SELECT l.status FROM pricing_equivalent e JOIN pricing_pricelist l ON l.id = e.price_list_id"
    " WHERE e.id = {row}.equivalent_id FOR SHARE OF l"
)
_BAD_FREE = "SELECT 1 FROM unnest(NEW.free_resources) f WHERE f IS NULL OR f !~ '^(cpu|mem|gpu|node|billing|energy|(gpu|license|unit|sku):[A-Za-z0-9][A-Za-z0-9._@-]{0,55})$'"


def _frozen(table: str, status: str) -> list[migrations.RunSQL]:
    """Let rows of a list change only while it is a draft. The list's lock orders it and a step."""
    return [
        trigger(
            table,
            name=f"{table}_frozen",
            timing="BEFORE INSERT OR UPDATE OR DELETE",
            body=f"""
                IF TG_OP <> 'INSERT' AND ({status.format(row="OLD")}) <> 'draft'
                   OR TG_OP <> 'DELETE' AND ({status.format(row="NEW")}) <> 'draft' THEN
                    RAISE EXCEPTION '% on % is refused: only a draft price list changes',
                        TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
                END IF;
                RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
            """,
        ),
        no_truncate(table),
    ]


def _submitted(name: str, wrong: str, message: str) -> migrations.RunSQL:
    """Refuse the submission of a list (``NEW``) of which ``wrong`` is true."""
    return trigger(
        "pricing_pricelist",
        name=f"pricing_pricelist_{name}",
        timing="BEFORE UPDATE",
        when="NEW.status = 'submitted' AND OLD.status <> 'submitted'",
        body=f"""
            IF {wrong} THEN
                RAISE EXCEPTION '{message}' USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    )


# What rates ask of a job, and of its GPUs. Two agree where no key has two values: then either
# order of writing one over the other gives the same.
_TIES = """
    WITH asked AS (
        SELECT id, CASE WHEN resource LIKE 'gpu:%' THEN 'gpu' ELSE resource END AS family,
               jsonb_strip_nulls(jsonb_build_object('cluster', cluster_id,
                   'partition', nullif(partition, ''), 'qos', nullif(qos, ''),
                   'type', CASE WHEN resource LIKE 'gpu:%' THEN resource END)) AS asks,
               num_nonnulls(cluster_id, nullif(partition, ''), nullif(qos, ''),
                   CASE WHEN resource LIKE 'gpu:%' THEN resource END) AS many
          FROM pricing_rate WHERE price_list_id = NEW.id
    )
    SELECT 1 FROM asked a JOIN asked b ON a.id < b.id AND a.family = b.family AND a.many = b.many
     WHERE a.asks || b.asks = b.asks || a.asks
       AND NOT EXISTS (SELECT 1 FROM asked c
                        WHERE c.family = a.family AND c.asks = a.asks || b.asks)
"""
_BAD_SLABS = """
    SELECT 1 FROM (
        SELECT r.model, count(s.id) AS many,
               bool_and(s.up_to IS NULL = (s.position = last.position)) AS ends
          FROM pricing_rate r
          LEFT JOIN pricing_slab s ON s.rate_id = r.id
          LEFT JOIN LATERAL (SELECT max(position) AS position FROM pricing_slab
                              WHERE rate_id = r.id) last ON true
         WHERE r.price_list_id = NEW.id GROUP BY r.id) x
     WHERE model IN ('graduated', 'volume') AND (many = 0 OR NOT ends)
        OR model NOT IN ('graduated', 'volume') AND many > 0
    UNION ALL
    SELECT 1 FROM (
        SELECT s.up_to, lag(s.up_to) OVER (PARTITION BY s.rate_id ORDER BY s.position) AS below
          FROM pricing_slab s JOIN pricing_rate r ON r.id = s.rate_id
         WHERE r.price_list_id = NEW.id) x
     WHERE up_to <= below
"""
_BAD_UNITS = """
    SELECT 1 FROM pricing_rate r WHERE r.price_list_id = NEW.id AND r.resource LIKE 'unit:%'
       AND NOT EXISTS (SELECT 1 FROM pricing_equivalent e
                        WHERE e.price_list_id = NEW.id AND r.resource = 'unit:' || e.code)
    UNION ALL
    SELECT 1 FROM pricing_equivalent e WHERE e.price_list_id = NEW.id
       AND (NOT EXISTS (SELECT 1 FROM pricing_rate r
                         WHERE r.price_list_id = NEW.id AND r.resource = 'unit:' || e.code)
            OR NOT EXISTS (SELECT 1 FROM pricing_equivalentpart p WHERE p.equivalent_id = e.id))
"""
# Of one code the more specific one counts; of two codes both would count, and price a resource
# that is part of both twice.
_UNITS_OVERLAP = """
    SELECT 1 FROM pricing_equivalent a JOIN pricing_equivalent b ON a.id < b.id
        AND b.price_list_id = NEW.id
        AND (a.cluster_id IS NULL OR b.cluster_id IS NULL OR a.cluster_id = b.cluster_id)
        AND (a.partition = '' OR b.partition = '' OR a.partition = b.partition)
     WHERE a.price_list_id = NEW.id
       AND (a.code <> b.code AND EXISTS (
               SELECT 1 FROM pricing_equivalentpart p JOIN pricing_equivalentpart q
                   ON p.resource = q.resource OR p.resource = 'gpu' AND q.resource LIKE 'gpu:%'
                   OR q.resource = 'gpu' AND p.resource LIKE 'gpu:%'
                WHERE p.equivalent_id = a.id AND q.equivalent_id = b.id)
         OR a.code = b.code
            AND num_nonnulls(a.cluster_id, nullif(a.partition, ''))
              = num_nonnulls(b.cluster_id, nullif(b.partition, ''))
            AND NOT EXISTS (
               SELECT 1 FROM pricing_equivalent c WHERE c.price_list_id = NEW.id AND c.code = a.code
                  AND c.cluster_id = coalesce(a.cluster_id, b.cluster_id)
                  AND c.partition = coalesce(nullif(a.partition, ''), b.partition)))
"""
_BAD_ITEMS = """
    SELECT 1 FROM pricing_rate r WHERE r.price_list_id = NEW.id AND r.resource LIKE 'sku:%'
       AND (r.cluster_id IS NOT NULL OR r.partition <> '' OR r.qos <> '' OR r.basis <> 'allocated'
            OR NOT EXISTS (SELECT 1 FROM pricing_sku s WHERE r.resource = 'sku:' || s.code))
"""

RULES = [
    *_frozen("pricing_slab", _LIST_OF_RATE),
    *_frozen("pricing_statepolicy", _LIST_OF),
    *_frozen("pricing_equivalent", _LIST_OF),
    *_frozen("pricing_equivalentpart", _LIST_OF_EQUIVALENT),
    _submitted(
        "has_rates",
        "NOT EXISTS (SELECT 1 FROM pricing_rate WHERE price_list_id = NEW.id)",
        "a price list needs at least one rate",
    ),
    _submitted(
        "slabs_rise",
        f"EXISTS ({_BAD_SLABS})",
        "slabs rise and only the last one is open; only graduated and volume rates have any",
    ),
    _submitted(
        "has_no_ties",
        f"EXISTS ({_TIES})",
        "two rates are as specific as each other for some job",
    ),
    _submitted(
        "units_defined",
        f"EXISTS ({_BAD_UNITS})",
        "each equivalent has parts and a rate, and each rate of a unit has its equivalent",
    ),
    _submitted(
        "units_apart",
        f"EXISTS ({_UNITS_OVERLAP})",
        "two equivalents price the same resource of some job",
    ),
    _submitted(
        "items_known",
        f"EXISTS ({_BAD_ITEMS})",
        "a price of an item is of one that there is, and depends on no job",
    ),
    _submitted(
        "free_known",
        f"EXISTS ({_BAD_FREE})",
        "what is free must be a resource",
    ),
    # Who wrote a list is told by the list itself, whatever door the change came by.
    migrations.RunSQL(
        "ALTER TABLE pricing_pricelisteditor ADD CONSTRAINT price_list_editor_list"
        " FOREIGN KEY (price_list_id) REFERENCES pricing_pricelist ON DELETE CASCADE",
        "ALTER TABLE pricing_pricelisteditor DROP CONSTRAINT price_list_editor_list",
    ),
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_keeps_editors",
        timing="AFTER INSERT OR UPDATE OF created_by_id, edited_by_id",
        body="""
            INSERT INTO pricing_pricelisteditor (price_list_id, user_id)
            SELECT NEW.id, person FROM unnest(ARRAY[NEW.created_by_id, NEW.edited_by_id]) person
             WHERE person IS NOT NULL
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        """,
    ),
    migrations.RunSQL(
        "INSERT INTO pricing_pricelisteditor (price_list_id, user_id)"
        " SELECT id, person FROM pricing_pricelist,"
        " unnest(ARRAY[created_by_id, edited_by_id]) person"
        " WHERE person IS NOT NULL ON CONFLICT DO NOTHING",
        migrations.RunSQL.noop,
    ),
    trigger(
        "pricing_pricelisteditor",
        name="pricing_pricelisteditor_stays",
        timing="BEFORE UPDATE OR DELETE",
        body="""
            IF TG_OP = 'UPDATE'
               OR EXISTS (SELECT 1 FROM pricing_pricelist WHERE id = OLD.price_list_id) THEN
                RAISE EXCEPTION 'who wrote a price list stays known'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN OLD;
        """,
    ),
    no_truncate("pricing_pricelisteditor"),
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_approved_by_other",
        timing="BEFORE UPDATE",
        when="NEW.approved_by_id IS NOT NULL",
        body="""
            IF EXISTS (SELECT 1 FROM pricing_pricelisteditor
                        WHERE price_list_id = NEW.id AND user_id = NEW.approved_by_id) THEN
                RAISE EXCEPTION 'who wrote a price list does not approve it'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    # Prices of items refer to them by code.
    refuse(
        "pricing_sku",
        "UPDATE",
        "an item keeps its code and its unit",
        when="(OLD.code, OLD.unit) IS DISTINCT FROM (NEW.code, NEW.unit)",
        name="pricing_sku_keeps_code",
    ),
    refuse("pricing_sku", "DELETE", "an item is switched off, not removed"),
    no_truncate("pricing_sku"),
]


class Migration(migrations.Migration):
    dependencies = [("pricing", "0008_rates_and_counters")]

    operations = [
        migrations.AlterField(
            "pricelisteditor",
            "price_list",
            models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="editors",
                to="pricing.pricelist",
            ),
        ),
        *RULES,
    ]
