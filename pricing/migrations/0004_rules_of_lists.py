"""The rules of price lists: published by a second person, whole, and never changed after that."""

from django.db import migrations

from core.rules import append_only, changed, no_truncate, refuse, trigger


def _frozen(table: str, through: tuple[str, str] | None = None) -> migrations.RunSQL:
    """Let rows change only while their list is a draft; they may have it through another table."""
    lists = "SELECT status FROM pricing_pricelist WHERE id = @row.price_list_id FOR SHARE"
    if through:
        lists = (
            "SELECT l.status FROM {} t JOIN pricing_pricelist l ON l.id = t.price_list_id"
            " WHERE t.id = @row.{} FOR SHARE OF l"
        ).format(*through)
    return trigger(
        table,
        name=f"{table}_frozen",
        timing="BEFORE INSERT OR UPDATE OR DELETE",
        body=f"""
            IF TG_OP <> 'INSERT' AND ({lists.replace("@row", "OLD")}) <> 'draft'
               OR TG_OP <> 'DELETE' AND ({lists.replace("@row", "NEW")}) <> 'draft' THEN
                RAISE EXCEPTION '% on % is refused: only a draft price list changes',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        """,
    )


def _submitted(name: str, told: str, wrong: str) -> migrations.RunSQL:
    """Refuse to submit a list of which ``wrong`` (a condition) is true."""
    return trigger(
        "pricing_pricelist",
        name=f"pricing_pricelist_{name}",
        timing="BEFORE UPDATE",
        when="NEW.status = 'submitted' AND OLD.status <> 'submitted'",
        body=f"""
            IF {wrong} THEN
                RAISE EXCEPTION '{told}' USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    )


RULES = [
    # Who wrote a list is told by the list itself, whatever door the change came by.
    migrations.RunSQL(
        "ALTER TABLE pricing_pricelisteditor ADD CONSTRAINT price_list_editor_list"
        " FOREIGN KEY (price_list_id) REFERENCES pricing_pricelist ON DELETE CASCADE",
        "ALTER TABLE pricing_pricelisteditor DROP CONSTRAINT price_list_editor_list",
    ),
    refuse(
        "pricing_pricelist",
        "UPDATE OR DELETE",
        "a published price list never changes",
        when="OLD.status = 'published'",
    ),
    no_truncate("pricing_pricelist"),
    _frozen("pricing_rate"),
    no_truncate("pricing_rate"),
    refuse(
        "pricing_pricelist",
        "INSERT",
        "a price list starts as a draft",
        name="pricing_pricelist_starts_as_draft",
        when="NEW.status <> 'draft'",
    ),
    refuse(
        "pricing_pricelist",
        "DELETE",
        "a submitted price list is withdrawn or sent back first",
        name="pricing_pricelist_refuse_delete",
        when="OLD.status = 'submitted'",
    ),
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_stands",
        timing="BEFORE UPDATE",
        when="OLD.status = 'submitted'",
        body=f"""
            IF NEW.status = 'submitted'
                OR (to_jsonb(OLD) - ARRAY['status', 'submitted_at', 'submitted_by_id',
                'rejection', 'approved_by_id', 'published_at']) IS DISTINCT
                FROM (to_jsonb(NEW) - ARRAY['status', 'submitted_at', 'submitted_by_id',
                'rejection', 'approved_by_id', 'published_at'])
               OR NEW.status = 'published' AND {changed("submitted_by_id, submitted_at")} THEN
                RAISE EXCEPTION 'a submitted price list is approved or sent back as it stands'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "pricing_pricelist",
        "UPDATE",
        "a price list is submitted before it is published",
        name="pricing_pricelist_submitted_first",
        when="OLD.status = 'draft' AND NEW.status = 'published'",
    ),
    # The first prices of a new site are made before anyone could approve them.
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_is_approved",
        timing="BEFORE UPDATE",
        when="""
            NEW.status = 'published' AND OLD.status <> 'published' AND NEW.approved_by_id IS NULL
        """,
        body="""
            IF EXISTS (SELECT 1 FROM accounts_user) THEN
                RAISE EXCEPTION 'a price list is published by the approval of a second person'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "pricing_pricelist",
        name="pricing_notices_list",
        timing="AFTER UPDATE OF status",
        body="""
            IF NEW.status = 'published' THEN INSERT INTO pricing_recheck DEFAULT VALUES; END IF;
                RETURN NULL;
        """,
    ),
    trigger(
        "pricing_pricelist",
        name="pricing_notices_past_list",
        timing="AFTER UPDATE OF status",
        when="NEW.status = 'published' AND OLD.status <> 'published' AND NEW.effective_at < now()",
        declare="until timestamptz;",
        body="""
            SELECT min(effective_at) INTO until FROM pricing_pricelist
             WHERE tier_id = NEW.tier_id AND status = 'published'
               AND effective_at > NEW.effective_at;
            INSERT INTO pricing_recheck (project_id, starts_at, ends_at)
            SELECT t.project_id, greatest(t.starts_at, NEW.effective_at), least(t.ends_at, until)
              FROM accounts_projecttier t
             WHERE t.tier_id = NEW.tier_id
               AND (t.ends_at IS NULL OR t.ends_at > NEW.effective_at)
               AND t.starts_at < least(until, now());
            RETURN NULL;
        """,
    ),
    _frozen("pricing_slab", through=("pricing_rate", "rate_id")),
    no_truncate("pricing_slab"),
    _frozen("pricing_statepolicy"),
    no_truncate("pricing_statepolicy"),
    _frozen("pricing_equivalent"),
    no_truncate("pricing_equivalent"),
    _frozen("pricing_equivalentpart", through=("pricing_equivalent", "equivalent_id")),
    no_truncate("pricing_equivalentpart"),
    _submitted(
        "has_rates",
        "a price list needs at least one rate",
        """
            NOT EXISTS (SELECT 1 FROM pricing_rate WHERE price_list_id = NEW.id)
        """,
    ),
    _submitted(
        "slabs_rise",
        "slabs rise and only the last one is open; only graduated and volume rates have any",
        """
            EXISTS (
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
                    SELECT s.up_to,
                        lag(s.up_to) OVER (PARTITION BY s.rate_id ORDER BY s.position) AS below
                      FROM pricing_slab s JOIN pricing_rate r ON r.id = s.rate_id
                     WHERE r.price_list_id = NEW.id) x
                 WHERE up_to <= below
            )
        """,
    ),
    _submitted(
        "has_no_ties",
        "two rates are as specific as each other for some job",
        """
            EXISTS (
                WITH asked AS (
                    SELECT id,
                        CASE WHEN resource LIKE 'gpu:%' THEN 'gpu' ELSE resource END AS family,
                           jsonb_strip_nulls(jsonb_build_object('cluster', cluster_id,
                               'partition', nullif(partition, ''), 'qos', nullif(qos, ''),
                               'type', CASE WHEN resource LIKE 'gpu:%' THEN resource END)) AS
                                   asks,
                           num_nonnulls(cluster_id, nullif(partition, ''), nullif(qos, ''),
                               CASE WHEN resource LIKE 'gpu:%' THEN resource END) AS many
                      FROM pricing_rate WHERE price_list_id = NEW.id
                )
                SELECT 1 FROM asked a JOIN asked b ON a.id < b.id AND a.family = b.family
                    AND a.many = b.many
                 WHERE a.asks || b.asks = b.asks || a.asks
                   AND NOT EXISTS (SELECT 1 FROM asked c
                                    WHERE c.family = a.family AND c.asks = a.asks || b.asks)
            )
        """,
    ),
    _submitted(
        "units_defined",
        "each equivalent has parts and a rate, and each rate of a unit has its equivalent",
        """
            EXISTS (
                SELECT 1 FROM pricing_rate r WHERE r.price_list_id = NEW.id
                    AND r.resource LIKE 'unit:%'
                   AND NOT EXISTS (SELECT 1 FROM pricing_equivalent e
                                    WHERE e.price_list_id = NEW.id
                                        AND r.resource = 'unit:' || e.code)
                UNION ALL
                SELECT 1 FROM pricing_equivalent e WHERE e.price_list_id = NEW.id
                   AND (NOT EXISTS (SELECT 1 FROM pricing_rate r
                                     WHERE r.price_list_id = NEW.id
                                         AND r.resource = 'unit:' || e.code)
                        OR NOT EXISTS (SELECT 1 FROM pricing_equivalentpart p
                            WHERE p.equivalent_id = e.id))
            )
        """,
    ),
    _submitted(
        "units_apart",
        "two equivalents price the same resource of some job",
        """
            EXISTS (
                SELECT 1 FROM pricing_equivalent a JOIN pricing_equivalent b ON a.id < b.id
                    AND b.price_list_id = NEW.id
                    AND (a.cluster_id IS NULL OR b.cluster_id IS NULL
                        OR a.cluster_id = b.cluster_id)
                    AND (a.partition = '' OR b.partition = '' OR a.partition = b.partition)
                 WHERE a.price_list_id = NEW.id
                   AND (a.code <> b.code AND EXISTS (
                           SELECT 1 FROM pricing_equivalentpart p JOIN pricing_equivalentpart q
                               ON p.resource = q.resource OR p.resource = 'gpu'
                                   AND q.resource LIKE 'gpu:%'
                               OR q.resource = 'gpu' AND p.resource LIKE 'gpu:%'
                            WHERE p.equivalent_id = a.id AND q.equivalent_id = b.id)
                     OR a.code = b.code
                        AND num_nonnulls(a.cluster_id, nullif(a.partition, ''))
                          = num_nonnulls(b.cluster_id, nullif(b.partition, ''))
                        AND NOT EXISTS (
                           SELECT 1 FROM pricing_equivalent c WHERE c.price_list_id = NEW.id
                               AND c.code = a.code
                              AND c.cluster_id = coalesce(a.cluster_id, b.cluster_id)
                              AND c.partition = coalesce(nullif(a.partition, ''), b.partition)))
            )
        """,
    ),
    _submitted(
        "items_known",
        "a price of an item is of one that there is, and depends on no job",
        """
            EXISTS (
                SELECT 1 FROM pricing_rate r WHERE r.price_list_id = NEW.id
                    AND r.resource LIKE 'sku:%'
                   AND (r.cluster_id IS NOT NULL OR r.partition <> '' OR r.qos <> ''
                       OR r.basis <> 'allocated'
                        OR NOT EXISTS (SELECT 1 FROM pricing_sku s
                            WHERE r.resource = 'sku:' || s.code))
            )
        """,
    ),
    _submitted(
        "free_known",
        "what is free must be a resource",
        """
            EXISTS (SELECT 1 FROM unnest(NEW.free_resources) f WHERE f IS NULL
            OR f !~
            '^(cpu|mem|gpu|node|billing|energy|(gpu|license|unit|sku):[A-Za-z0-9][A-Za-z0-9._@-]{0,55})$')
        """,
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
        name="pricing_sku_keeps_code",
        when=changed("code, unit"),
    ),
    refuse(
        "pricing_sku",
        "DELETE",
        "an item is switched off, not removed",
    ),
    no_truncate("pricing_sku"),
    trigger(
        "pricing_pricelist",
        name="pricing_notices_negotiated",
        timing="AFTER UPDATE OF status",
        when="""
            NEW.status = 'published' AND OLD.status <> 'published' AND NEW.tier_id IS NULL
                AND NEW.effective_at < now()
        """,
        body="""
            INSERT INTO pricing_recheck (project_id, user_name, starts_at, ends_at)
            SELECT NEW.project_id,
                   coalesce((SELECT username FROM accounts_user WHERE id = NEW.user_id), ''),
                   NEW.effective_at, NEW.ends_at;
            RETURN NULL;
        """,
    ),
    *append_only("pricing_canary"),
    refuse(
        "pricing_pricestudy",
        "UPDATE",
        "what a study found never changes",
        when="OLD.status IN ('done', 'failed')",
    ),
    # Lists of before were published without it.
    trigger(
        "pricing_pricelist",
        name="pricing_pricelist_was_compared",
        timing="AFTER UPDATE",
        when="NEW.status = 'published' AND OLD.status <> 'published'",
        body="""
            IF NOT EXISTS (SELECT 1 FROM pricing_canary c WHERE c.price_list_id = NEW.id
                              AND c.submitted_at = NEW.submitted_at) THEN
                RAISE EXCEPTION 'a price list is compared with the last month before it counts'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0003_owing_in_sql"),
        ("accounts", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
