"""How the demo's projects are billed: tax, purchase orders, contacts, accounts; each made once."""

from datetime import date, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from accounts.models import Department, Project, User
from audit.services import record
from hpcbilling.demo.accounts import DEMO
from insights.models import LedgerAccount
from pricing.models import Sku
from receipts.models import (
    BillingProfile,
    Contact,
    DepartmentBilling,
    DocumentLanguage,
    Grouping,
    PurchaseOrder,
    TaxCategory,
    TaxProfile,
    TaxRate,
)

STORAGE = "storage"
"""The item that a project is sold besides jobs."""

PROMPTPAY = "0994000160011"
"""A tax id that nobody has, as a PromptPay id."""

SHARED = "eg_robots"
"""The project on whose department's receipts its usage goes."""


@transaction.atomic
def set_up(first: date) -> None:
    """Say how projects are billed, if nobody did; the first of the demo's months begins then."""
    if TaxProfile.objects.exists():
        return
    _items()
    profiles = _tax_profiles(first)
    projects = {project.code: project for project in Project.objects.all()}
    _profiles(projects, profiles)
    _contacts(projects)
    _orders(projects, first)
    record("billing.set_up", actor=DEMO, data={"projects": sorted(projects)})


def _items() -> None:
    Sku.objects.create(
        code=STORAGE, name="Project storage", name_th="พื้นที่เก็บข้อมูลโครงการ", unit="TB-month"
    )


def _tax_profiles(first: date) -> dict[str, TaxProfile]:
    vat = TaxProfile.objects.create(code="vat", name="VAT, for buyers outside the university")
    TaxRate.objects.create(profile=vat, percent=Decimal(7), starts_on=first - timedelta(365))
    exempt = TaxProfile.objects.create(
        code="research",
        name="State research, exempt",
        category=TaxCategory.EXEMPT,
        reason="Research for a state agency, Revenue Code section 81",
    )
    return {"vat": vat, "research": exempt}


def _profiles(projects: dict[str, Project], tax: dict[str, TaxProfile]) -> None:
    faculty = Department.objects.get(code="EG")
    DepartmentBilling.objects.create(department=faculty, project=projects["pi_wichai"])
    BillingProfile.objects.create(project=projects[SHARED], grouping=Grouping.DEPARTMENT)
    BillingProfile.objects.create(
        project=projects["pi_niran"],
        document_language=DocumentLanguage.THAI,
        contact_name="Niran Saetang",
    )
    BillingProfile.objects.create(
        project=projects["siamseed"],
        tax_profile=tax["vat"],
        withholding_percent=Decimal(3),
        branch="00000",
        contact_name="Darin Charoen",
        promptpay_id=PROMPTPAY,
    )
    BillingProfile.objects.create(
        project=projects["pi_apinya"],
        tax_profile=tax["research"],
        exemption_certificate="RD-2569/0417",
        document_language=DocumentLanguage.ENGLISH,
    )


def _contacts(projects: dict[str, Project]) -> None:
    for code, name, language in (
        ("siamseed", "Accounts payable", "en"),
        ("pi_niran", "ฝ่ายการเงิน", "th"),
    ):
        Contact.objects.create(
            project=projects[code], name=name, email=f"finance.{code}@demo.example",
            language=language,
        )  # fmt: skip


def _orders(projects: dict[str, Project], first: date) -> None:
    """One purchase order with room, and one that lasts some days only."""
    clerk = User.objects.get(username="clerk")
    year = date(first.year, 1, 1)
    for code, number, ceiling, last in (
        ("siamseed", "SS-26-0077", Decimal(250_000), first + timedelta(480)),
        ("pi_apinya", "NPI-69-0012", Decimal(600_000), first + timedelta(140)),
    ):
        PurchaseOrder.objects.create(
            project=projects[code], number=number, ceiling=ceiling,
            currency=settings.SITE_CURRENCY, starts_on=year, expires_on=last, created_by=clerk,
        )  # fmt: skip


@transaction.atomic
def map_revenue(start: date) -> None:
    """Let GPUs be revenue of their own from the first open month on; the journal then has two
    accounts for it."""
    role = LedgerAccount.Role.REVENUE
    if not LedgerAccount.objects.filter(role=role, detail="gpu").exists():
        made = LedgerAccount.objects.create(
            role=role, detail="gpu", account="4110", starts_on=start
        )
        record("ledger_account.created", actor=DEMO, target=made, data={"account": made.account})
