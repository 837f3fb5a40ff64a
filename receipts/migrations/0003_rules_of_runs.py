"""The rules of what goes with documents: runs, mails, files, orders and write-offs."""

from django.db import migrations

from core.rules import append_only, changed, no_truncate, refuse, trigger

RULES = [
    refuse(
        "receipts_purchaseorder",
        "UPDATE",
        "of a purchase order only the ceiling and the last day change",
        name="receipts_purchaseorder_frozen",
        when=changed("id, project_id, number, currency, starts_on, created_by_id, created_at"),
    ),
    *append_only("receipts_documentfile"),
    trigger(
        "receipts_documentfile",
        name="receipts_documentfile_issued",
        timing="BEFORE INSERT",
        body="""
            IF NOT EXISTS (
                SELECT FROM receipts_receipt r WHERE r.id = NEW.receipt_id
                   AND r.kind IN ('receipt', 'credit_note')
                   AND r.status NOT IN ('draft', 'pending')
            ) THEN
                RAISE EXCEPTION 'only what is issued here has a file'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_mail",
        name="receipts_mail_stays",
        timing="BEFORE UPDATE",
        body="""
            IF (to_jsonb(NEW) - ARRAY['recipient', 'status', 'attempts', 'next_attempt_at',
                                      'last_error', 'sent_at', 'subject', 'text', 'html',
                                          'files'])
               <> (to_jsonb(OLD) - ARRAY['recipient', 'status', 'attempts', 'next_attempt_at',
                                         'last_error', 'sent_at', 'subject', 'text', 'html',
                                             'files'])
               OR NEW.recipient NOT IN ('', OLD.recipient)
               OR (OLD.status IN ('sent', 'dropped', 'given_up')
                   AND NOT (OLD.status = 'given_up' AND NEW.status = 'dropped')
                   AND NEW.status <> OLD.status)
               OR (OLD.status IN ('sent', 'dropped', 'given_up')
                   AND (to_jsonb(NEW) - ARRAY['recipient', 'status'])
                       <> (to_jsonb(OLD) - ARRAY['recipient', 'status'])) THEN
                RAISE EXCEPTION 'an e-mail stays as it was sent, and whose it is never changes'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "receipts_mail",
        "DELETE",
        "e-mails are kept",
        name="receipts_mail_refuse",
    ),
    no_truncate("receipts_mail"),
    trigger(
        "receipts_billingrun",
        name="receipts_billingrun_begins",
        timing="BEFORE INSERT",
        body="""
            PERFORM 1 FROM accounts_period
              WHERE month = NEW.period_id AND status = 'closed' AND closed_at = NEW.closed_at
                FOR SHARE;
            IF NOT FOUND OR NEW.status <> 'drafting' THEN
                RAISE EXCEPTION 'a run begins while its period is closed'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_billingrun",
        name="receipts_billingrun_ends",
        timing="BEFORE UPDATE",
        body=f"""
            IF {changed("id, period_id, closed_at, started_at, started_by_id")}
               OR NEW.status = 'drafted' AND EXISTS (
                    SELECT 1 FROM receipts_runentry WHERE run_id = NEW.id
                        AND state = 'waiting') THEN
                RAISE EXCEPTION 'a run ends when none of its entries waits'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "receipts_billingrun",
        "DELETE",
        "runs are kept for ever",
    ),
    no_truncate("receipts_billingrun"),
    trigger(
        "receipts_runentry",
        name="receipts_runentry_steps",
        timing="BEFORE INSERT OR UPDATE",
        body="""
            IF TG_OP = 'INSERT' THEN
                IF NEW.state <> 'waiting' THEN
                    RAISE EXCEPTION 'an entry of a run begins by waiting'
                        USING ERRCODE = 'check_violation';
                END IF;
            ELSIF (OLD.id, OLD.run_id, OLD.project_id, OLD.currency)
                  <> (NEW.id, NEW.run_id, NEW.project_id, NEW.currency)
               OR OLD.state <> NEW.state AND (OLD.state::text, NEW.state::text) NOT IN (
                    ('waiting', 'drafted'), ('waiting', 'nothing'), ('waiting', 'carried'),
                    ('waiting', 'failed'), ('drafted', 'discarded'), ('failed', 'waiting'),
                    ('carried', 'waiting'), ('discarded', 'waiting'))
               OR OLD.state = NEW.state AND OLD.receipt_id IS DISTINCT FROM NEW.receipt_id THEN
                RAISE EXCEPTION 'an entry of a run takes its steps only'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    trigger(
        "receipts_runentry",
        name="receipts_runentry_document",
        timing="BEFORE INSERT OR UPDATE",
        when="NEW.receipt_id IS NOT NULL",
        body="""
            IF NOT EXISTS (
                SELECT 1 FROM receipts_receipt d JOIN receipts_billingrun r ON r.id = NEW.run_id
                 WHERE d.id = NEW.receipt_id AND d.kind = 'receipt'
                   AND d.project_id = NEW.project_id AND d.currency = NEW.currency
                   AND d.period = r.period_id
            ) THEN
                RAISE EXCEPTION 'an entry has the document of its addressee, currency and month'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    refuse(
        "receipts_runentry",
        "DELETE",
        "entries of runs are kept for ever",
    ),
    no_truncate("receipts_runentry"),
    trigger(
        "receipts_writeoff",
        name="receipts_writeoff_frozen",
        timing="BEFORE UPDATE OR DELETE",
        body=f"""
            IF TG_OP = 'DELETE' OR to_jsonb(NEW) <> to_jsonb(OLD) AND (
                OLD.status <> 'requested' OR NEW.status = 'requested'
                OR {changed("receipt_id, amount, reason, requested_by_id, requested_at")}
            ) THEN
                RAISE EXCEPTION
                    '% on % is refused: a write-off keeps what was asked for and decided',
                    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        """,
    ),
    no_truncate("receipts_writeoff"),
    # True for ever: a closed period takes no charge, and an issued document loses none. Charges that
    # an earlier row told of are not looked at again.
    trigger(
        "receipts_billeduntil",
        name="receipts_billeduntil_true",
        timing="BEFORE INSERT OR UPDATE",
        declare="since date := '-infinity';",
        body="""
            IF TG_OP = 'UPDATE' AND NEW.project_id = OLD.project_id THEN
                since := OLD.month;
            END IF;
            PERFORM 1 FROM accounts_period
              WHERE month = NEW.month AND status = 'closed' FOR SHARE;
            IF NOT FOUND AND NEW.month > since OR EXISTS (
                SELECT 1 FROM pricing_charge c
                 WHERE c.project_id = NEW.project_id
                   AND c.period_id > since AND c.period_id <= NEW.month
                   AND c.reverses_id IS NULL
                   AND NOT EXISTS (SELECT 1 FROM pricing_charge r WHERE r.reverses_id = c.id)
                   AND NOT EXISTS (
                    SELECT 1 FROM receipts_linecharge k
                      JOIN receipts_line l ON l.id = k.line_id
                      JOIN receipts_receipt d ON d.id = l.receipt_id
                     WHERE k.charge_id = c.id AND d.status NOT IN ('draft', 'pending'))
            ) THEN
                RAISE EXCEPTION 'a charge of these months is on no issued document'
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    ),
]


class Migration(migrations.Migration):
    dependencies = [
        ("receipts", "0002_rules_of_documents"),
        ("accounts", "0001_tables"),
        ("pricing", "0001_tables"),
        ("core", "0001_refusal"),
    ]
    operations = RULES
