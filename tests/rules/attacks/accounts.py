"""Attacks on the rules of accounts."""

from tests.rules.attacks.making import Attack, change, copy_of, truncate

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
}
