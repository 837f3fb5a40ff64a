"""The rules of ratings: what is due again, and when a rating agrees with its charges."""

from django.db import migrations

from core.rules import append_only, no_truncate, refuse, set_trigger, trigger

# Over ``new_rows``: which ratings contradict the job or its charges. A charge counts for one, and its
# reversal, which has the same payer, takes that away: looking for each one's reversal takes longer.
# A job can't be declared free or paid for by someone else: that would bill it nowhere. Exempt is what
# used nothing, falls under an exemption of its cluster, or costs nothing by the lists of who pays. Of
# a job that changed, and is due, a share may be missing: its document became void while another share
# is still on one. To take back all charges of a job and say that it has no price is nobody's crime:
# rating does so where lists, tiers or the payer of a Slurm account changed. Each round of rating judges
# such a job anew, and charges it again where there is a price.
_FITS = """
    IF EXISTS (
        SELECT 1 FROM new_rows n
          LEFT JOIN LATERAL (
            SELECT coalesce(sum(c.counts) > 0, false) AS charged,
                   coalesce(sum(c.counts) FILTER (
                        WHERE c.project_id IS DISTINCT FROM n.project_id
                           OR c.share_id IS NOT NULL) > 0, false) AS elsewhere
              FROM (SELECT project_id, share_id,
                           CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END AS counts
                      FROM pricing_charge WHERE job_id = n.job_id) c
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
               AND NOT (n.reason = 'exempted'
                   AND usage_exemption_of(n.job_id) IS NOT NULL
                        OR n.reason IN ('state', 'free') AND NOT EXISTS (
                            SELECT 1 FROM accounts_bearers(n.project_id, j."end") b
                             WHERE coalesce(pricing_owes(n.job_id, b.project_id),
                                 true))))
    ) THEN
        RAISE EXCEPTION 'the rating contradicts the job or its charges'
            USING ERRCODE = 'check_violation';
    END IF;
"""

RULES = [
    trigger(
        "accounts_project",
        name="pricing_project_stays",
        timing="BEFORE DELETE OR UPDATE OF id",
        body="""
            IF (TG_OP = 'DELETE' OR OLD.id <> NEW.id) AND (
                EXISTS (SELECT 1 FROM pricing_charge WHERE project_id = OLD.id)
                OR EXISTS (SELECT 1 FROM pricing_jobrating WHERE project_id = OLD.id)) THEN
                RAISE EXCEPTION '% on % is refused: the project has jobs', TG_OP, TG_TABLE_NAME
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        """,
    ),
    # The project of a rated job is that of its charges.
    set_trigger(
        "pricing_jobrating",
        name="pricing_jobrating_project",
        event="INSERT",
        declare="found bigint;",
        body="""
            PERFORM 1 FROM accounts_project
              WHERE id IN (SELECT project_id FROM new_rows WHERE status <> 'rated')
              ORDER BY id FOR KEY SHARE;
            GET DIAGNOSTICS found = ROW_COUNT;
            IF found <> (SELECT count(DISTINCT project_id) FROM new_rows
                WHERE status <> 'rated') THEN
                RAISE EXCEPTION 'there is no such project'
                    USING ERRCODE = 'foreign_key_violation';
            END IF;
        """,
    ),
    set_trigger(
        "pricing_jobrating",
        name="pricing_jobrating_project_changed",
        event="UPDATE",
        declare="found bigint;",
        body="""
            PERFORM 1 FROM accounts_project
              WHERE id IN (SELECT project_id FROM new_rows WHERE status <> 'rated')
              ORDER BY id FOR KEY SHARE;
            GET DIAGNOSTICS found = ROW_COUNT;
            IF found <> (SELECT count(DISTINCT project_id) FROM new_rows
                WHERE status <> 'rated') THEN
                RAISE EXCEPTION 'there is no such project'
                    USING ERRCODE = 'foreign_key_violation';
            END IF;
        """,
    ),
    refuse(
        "pricing_jobrating",
        "DELETE",
        "ratings are never deleted",
    ),
    # What says which job a rating is of stays, and so does the row.
    refuse(
        "pricing_jobrating",
        "UPDATE",
        "a rating stays with its job",
        name="pricing_jobrating_refuse_update",
        when="OLD.job_id <> NEW.job_id",
    ),
    no_truncate("pricing_jobrating"),
    *append_only("pricing_ratedrun"),
    set_trigger(
        "pricing_ratedrun",
        name="pricing_ratedrun_whole",
        event="INSERT",
        body="""
            IF EXISTS (
                SELECT 1 FROM new_rows n LEFT JOIN usage_importrun i
                    ON i.id = n.run_id AND i.status IN ('complete', 'released')
                        WHERE i.id IS NULL
            ) OR EXISTS (
                SELECT 1 FROM new_rows n JOIN usage_job j ON j.run_id = n.run_id
                 WHERE j."end" IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM pricing_jobrating r
                     WHERE r.job_id = j.id AND (r.job_revision = j.revision OR r.due))
            ) THEN
                RAISE EXCEPTION 'the import has jobs that were not rated as they are'
                    USING ERRCODE = 'check_violation';
            END IF;
        """,
    ),
    # A job whose charges are all reversed is not rated any more; its rating has to say so.
    trigger(
        "pricing_charge",
        name="pricing_charge_rating_agrees",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        when="NEW.reverses_id IS NOT NULL",
        body="""
            IF EXISTS (SELECT 1 FROM pricing_jobrating WHERE job_id = NEW.job_id
                AND status = 'rated')
               AND NOT EXISTS (
                SELECT 1 FROM pricing_charge c
                 WHERE c.job_id = NEW.job_id AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
            ) THEN
                RAISE EXCEPTION 'a rated job has no charge in force'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        """,
    ),
    # The other way round: whose charges are new is rated when the transaction ends, and by then not by
    # an earlier generation. Charges come before their rating, so this is told at the commit, and once
    # for all rows of a statement: the jobs wait until then in a table that is otherwise empty. Nothing
    # is added to charges that a rating covers already. Those that have none yet, as in most batches,
    # are told by looking at their span once.
    migrations.RunSQL(
        """
        CREATE TABLE pricing_newlycharged (generation integer NOT NULL, jobs bigint[] NOT NULL);
        ALTER TABLE pricing_newlycharged ALTER jobs SET STORAGE EXTERNAL
        """,
        "DROP TABLE pricing_newlycharged",
    ),
    set_trigger(
        "pricing_charge",
        name="pricing_charge_next",
        event="INSERT",
        declare="made record;",
        body="""
            FOR made IN
                SELECT n.generation, array_agg(n.job_id) AS jobs, min(n.job_id) AS first,
                       max(n.job_id) AS last
                  FROM (SELECT DISTINCT generation, job_id FROM new_rows
                         WHERE reverses_id IS NULL AND job_id IS NOT NULL) n
                 GROUP BY n.generation
            LOOP
                IF (made.generation <> 1 OR EXISTS (
                    SELECT 1 FROM pricing_jobrating
                     WHERE job_id BETWEEN made.first AND made.last)
                ) AND EXISTS (
                    SELECT 1 FROM unnest(made.jobs) AS j (id)
                      LEFT JOIN pricing_jobrating r ON r.job_id = j.id
                     WHERE coalesce(r.generation, 0) + 1 <> made.generation
                ) THEN
                    RAISE EXCEPTION 'charges of a job are of the generation after those it has'
                        USING ERRCODE = 'check_violation';
                END IF;
                INSERT INTO pricing_newlycharged VALUES (made.generation, made.jobs);
            END LOOP;
        """,
    ),
    trigger(
        "pricing_newlycharged",
        name="pricing_newlycharged_is_rated",
        timing="AFTER INSERT DEFERRABLE INITIALLY DEFERRED",
        many=True,
        declare="others bigint[];",
        body="""
            SELECT array_agg(j.id) INTO others FROM unnest(NEW.jobs) AS j (id)
              LEFT JOIN pricing_jobrating r ON r.job_id = j.id
             WHERE NOT coalesce(r.status = 'rated' AND r.generation >= NEW.generation, false);
            IF cardinality(others) > 0 AND EXISTS (
                SELECT 1 FROM pricing_charge c
                 WHERE c.job_id = ANY (others) AND c.generation = NEW.generation
                   AND c.reverses_id IS NULL AND NOT EXISTS (
                        SELECT 1 FROM pricing_charge b WHERE b.reverses_id = c.id)
            ) THEN
                RAISE EXCEPTION 'a job has charges, and its rating does not say so'
                    USING ERRCODE = 'check_violation';
            END IF;
            DELETE FROM pricing_newlycharged;
            RETURN NULL;
        """,
    ),
    refuse(
        "pricing_jobrating",
        "UPDATE",
        "the charges of a job come to further generations",
        name="pricing_jobrating_goes_on",
        when="NEW.generation < OLD.generation",
    ),
    trigger(
        "accounts_projecttier",
        name="pricing_notices_tier",
        timing="AFTER INSERT OR UPDATE OR DELETE",
        body="""
               IF TG_OP <> 'INSERT' THEN
                   INSERT INTO pricing_recheck (project_id, starts_at, ends_at)
                   VALUES (OLD.project_id, OLD.starts_at, OLD.ends_at);
               END IF;
               IF TG_OP <> 'DELETE' THEN
                   INSERT INTO pricing_recheck (project_id, starts_at, ends_at)
                   VALUES (NEW.project_id, NEW.starts_at, NEW.ends_at);
               END IF;
            RETURN NULL;
        """,
    ),
    trigger(
        "usage_accountmapping",
        name="pricing_notices_mapping",
        timing="AFTER INSERT OR UPDATE OR DELETE",
        body="""
               IF TG_OP <> 'INSERT' THEN
                   INSERT INTO pricing_recheck (cluster_id, account)
                   VALUES (OLD.cluster_id, OLD.account);
               END IF;
               IF TG_OP <> 'DELETE' THEN
                   INSERT INTO pricing_recheck (cluster_id, account)
                   VALUES (NEW.cluster_id, NEW.account);
               END IF;
            RETURN NULL;
        """,
    ),
    trigger(
        "accounts_project",
        name="pricing_notices_project",
        timing="AFTER INSERT OR UPDATE OF code, owner_id, is_active",
        body="INSERT INTO pricing_recheck DEFAULT VALUES; RETURN NULL;",
    ),
    trigger(
        "accounts_user",
        name="pricing_notices_user",
        timing="AFTER UPDATE OF username",
        body="""
            IF OLD.username <> NEW.username THEN INSERT INTO pricing_recheck DEFAULT VALUES; END
                IF; RETURN NULL;
        """,
    ),
    trigger(
        "usage_exemption",
        name="pricing_notices_exemption",
        timing="AFTER INSERT OR UPDATE",
        body="""
            INSERT INTO pricing_recheck (cluster_id, account)
            VALUES (NEW.cluster_id, NEW.account);
            RETURN NULL;
        """,
    ),
    set_trigger(
        "pricing_jobrating",
        name="pricing_jobrating_fits",
        event="INSERT",
        body=_FITS,
    ),
    set_trigger(
        "pricing_jobrating",
        name="pricing_jobrating_fits_changed",
        event="UPDATE",
        body=_FITS,
    ),
    # A job that is rated for the first time is paid for by those who bear it then.
    set_trigger(
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
    ),
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
]


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0006_rules_of_adjustments"),
        ("accounts", "0001_tables"),
        ("usage", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
