"""Attacks on the rules of accounts."""

from tests.rules.attacks.making import Attack, change, copy_of, truncate

PERIOD = (
    "INSERT INTO accounts_period (month, starts_at, ends_at, status, override_reason, overridden{})"
    " VALUES ('{}', '{}Z', '{}Z', 'open', '', '[]'{})"
)
JANUARY = PERIOD.format("{}", "2030-01-01", "2030-01-01", "2030-02-01", "{}")
FIRST_OPEN = "month = (SELECT min(month) FROM accounts_period WHERE status = 'open')"
WISH = (
    "INSERT INTO accounts_periodreopening (period_id, closed_at, reason, requested_by_id)"
    " SELECT month, {}, '{}', closed_by_id FROM accounts_period WHERE month = '2020-01-01'"
)
WAITING = "UPDATE accounts_periodreopening SET {} WHERE approved_at IS NULL"

ATTACKS: dict[str, Attack] = {
    "accounts_apitoken_digest_key": Attack(copy_of("accounts_apitoken")),
    "accounts_apitoken_no_truncate": truncate("accounts_apitoken"),
    "accounts_apitoken_refuse": Attack(change("accounts_apitoken", scopes='["*"]')),
    "api_token_digest": Attack(copy_of("accounts_apitoken", digest="key")),
    "api_token_expires_later": Attack(
        copy_of("accounts_apitoken", digest="1" * 64, expires_at="2020-01-01T00:00:00Z")
    ),
    "api_token_scopes_known": Attack(
        copy_of("accounts_apitoken", digest="1" * 64, scopes=["everything"])
    ),
    "accounts_idempotentrequest_refuse": Attack(change("accounts_idempotentrequest", answer="")),
    "idempotent_request_once": Attack(copy_of("accounts_idempotentrequest")),
    "idempotent_request_status": Attack(
        copy_of("accounts_idempotentrequest", key="other", status=500)
    ),
    "accounts_department_code_key": Attack(copy_of("accounts_department")),
    "membership_role_known": Attack(change("accounts_membership", role="boss")),
    "membership_once": Attack(copy_of("accounts_membership")),
    "accounts_project_code_key": Attack(copy_of("accounts_project")),
    "accounts_project_owner_id_key": Attack(
        "UPDATE accounts_project SET owner_id = (SELECT min(id) FROM accounts_user)"
    ),
    "project_tier_ends_after_start": Attack(
        change("accounts_projecttier", ends_at="2020-01-01T00:00:00Z")
    ),
    "project_tier_override_has_reason": Attack(change("accounts_projecttier", override=1)),
    "project_tier_no_overlap": Attack(
        copy_of("accounts_projecttier", starts_at="2026-01-01T00:00:00Z")
    ),
    "split_ends_after_start": Attack(
        change("accounts_split", ends_at="2020-01-01T00:00:00Z"), also=("split_no_overlap",)
    ),
    "split_has_reason": Attack(
        change("accounts_split", reason=" "), also=("accounts_split_refuse",)
    ),
    "accounts_split_refuse": Attack(change("accounts_split", starts_at="2020-06-01T00:00:00Z")),
    "accounts_split_whole": Attack(
        "INSERT INTO accounts_split (project_id, starts_at, reason)"
        " SELECT id, now(), 'x' FROM accounts_project WHERE code = 'pi_suda'"
    ),
    "accounts_split_no_truncate": truncate("accounts_split"),
    "accounts_splitshare_whole": Attack(
        "INSERT INTO accounts_splitshare (split_id, project_id, percent)"
        " SELECT min(s.id), min(p.id), 1 FROM accounts_split s, accounts_project p"
        " WHERE p.code = 'counted'"
    ),
    "accounts_splitshare_refuse": Attack("UPDATE accounts_splitshare SET percent = percent"),
    "accounts_splitshare_no_truncate": truncate("accounts_splitshare"),
    "split_no_overlap": Attack(
        copy_of("accounts_split", starts_at="2027-06-01T00:00:00Z")
        + ";INSERT INTO accounts_splitshare (split_id, project_id, percent)"
        " SELECT max(s.id), max(h.project_id), 100 FROM accounts_split s, accounts_splitshare h"
    ),
    "split_share_in_range": Attack(
        change("accounts_splitshare", percent=0), also=("accounts_splitshare_refuse",)
    ),
    "split_share_once": Attack(copy_of("accounts_splitshare"), also=("accounts_splitshare_whole",)),
    "accounts_tier_code_key": Attack(copy_of("accounts_tier")),
    "accounts_user_username_key": Attack(copy_of("accounts_user")),
    "period_of_a_month": Attack(PERIOD.format("", "2030-01-02", "2030-01-01", "2030-02-01", "")),
    "period_steps": Attack(JANUARY.format(", closed_at", ", now()")),
    "period_named_override": Attack(
        "UPDATE accounts_period SET status = 'closed', closed_at = now(), seal = '{}',"
        f" override_reason = 'as agreed' WHERE {FIRST_OPEN}"
    ),
    "period_no_overlap": Attack(
        JANUARY.format("", "")
        + ";"
        + PERIOD.format("", "2030-02-01", "2030-01-31 12:00", "2030-03-01", "")
    ),
    "accounts_period_begins": Attack(
        PERIOD.format("", "2019-12-01", "2019-12-01", "2019-12-31", "")
    ),
    "accounts_period_refuse": Attack(
        "UPDATE accounts_period SET seal = '{\"charges\": 1}' WHERE status = 'closed'"
    ),
    "accounts_period_closes": Attack(
        "UPDATE accounts_period SET status = 'closed', closed_at = '2099-01-01T00:00Z',"
        " seal = '{}' WHERE month = (SELECT max(month) FROM accounts_period)"
    ),
    "accounts_period_reopens": Attack(
        "UPDATE accounts_period SET status = 'open', closed_at = NULL, closed_by_id = NULL,"
        " seal = NULL WHERE month = '2020-02-01'"
    ),
    "accounts_period_stays": Attack(f"DELETE FROM accounts_period WHERE {FIRST_OPEN}"),
    "accounts_period_no_truncate": truncate("accounts_period"),
    "period_reopening_has_reason": Attack(WISH.format("closed_at", " ")),
    "period_reopening_second_person": Attack(
        WAITING.format("approved_by_id = requested_by_id, approved_at = now()")
    ),
    "period_reopening_steps": Attack(WAITING.format("approved_at = now()")),
    "period_reopening_waits_once": Attack(
        copy_of("accounts_periodreopening", "approved_at IS NULL")
    ),
    "accounts_periodreopening_asks": Attack(WISH.format("now()", "x")),
    "accounts_periodreopening_refuse": Attack(WAITING.format("reason = 'x'")),
    "accounts_periodreopening_stays": Attack("DELETE FROM accounts_periodreopening"),
    "accounts_periodreopening_no_truncate": truncate("accounts_periodreopening"),
}
