"""Attacks on the rules of how projects are billed: tax and billing profiles."""

from tests.rules.attacks.making import Attack, change, copy_of


def profile(**values: str) -> Attack:
    """Change the one billing profile that there is."""
    sets = ", ".join(f"{name} = {value}" for name, value in values.items())
    return Attack(f"UPDATE receipts_billingprofile SET {sets}")


ATTACKS: dict[str, Attack] = {
    "receipts_taxprofile_code_key": Attack(copy_of("receipts_taxprofile")),
    "tax_profile_category_known": Attack(
        copy_of("receipts_taxprofile", code="other", category="secret")
    ),
    "tax_profile_exempt_has_reason": Attack(
        copy_of("receipts_taxprofile", code="other", category="exempt", reason="")
    ),
    "tax_profile_includes_tax": Attack(
        copy_of("receipts_taxprofile", code="other", category="zero", inclusive=True)
    ),
    "tax_rate_in_range": Attack(change("receipts_taxrate", percent="-1")),
    "tax_rate_ends_after_start": Attack(
        change("receipts_taxrate", ends_on="2019-12-31"), also=("tax_rate_no_overlap",)
    ),
    "tax_rate_no_overlap": Attack(copy_of("receipts_taxrate", starts_on="2026-01-01")),
    "billing_profile_payer": profile(grouping="'project'"),
    "billing_profile_payer_is_other": profile(payer_id="project_id"),
    "billing_profile_withholding": profile(withholding_percent="100"),
    "billing_profile_branch": profile(branch="'head'"),
    "billing_profile_promptpay": profile(promptpay_id="'081-234-5678'"),
    "billing_profile_certificate": profile(
        tax_profile_id="NULL", exemption_certificate="'Decree 1'"
    ),
}
