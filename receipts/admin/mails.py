"""E-mails about documents in the console: what was sent, what waits, what could not be sent."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from audit.console import CsvExport
from core import formatting
from core.actor import Actor
from core.admin import (
    NOTHING,
    Done,
    LinkedFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReasonForm,
    Step,
    admin_url,
    button,
    column,
    link,
)
from receipts.mailing.messages import message_for
from receipts.models import Mail, MailKind, MailStatus, Receipt
from receipts.services.outbox import given_up, let_be, resend_mail

S = MailStatus
STATUS = {
    S.QUEUED: "info",
    S.FAILED: "warning",
    S.SENT: "success",
    S.GIVEN_UP: "danger",
    S.DROPPED: "info",
}


class WaitingFilter(admin.SimpleListFilter):
    """E-mails that could not be sent, and that nobody has looked after."""

    title = _("for a person")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Given up, nothing done yet"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(pk__in=given_up().values("pk")) if self.value() else queryset


class ReceiptFilter(LinkedFilter):
    """E-mails of one document."""

    title = _("receipt")
    parameter_name = "receipt"
    lookup = "receipt"
    model = "receipts.Receipt"


class MailColumns:
    """What lists of e-mails show."""

    @column(_("E-mail"), ordering="pk")
    def about(self, mail: Mail) -> str:
        return kind_of(mail)

    @column(_("To"), ordering="recipient")
    def address(self, mail: Mail) -> str:
        return mail.recipient or _t("(forgotten)")

    @column(_("Status"), ordering="status", label=STATUS)
    def state(self, mail: Mail) -> tuple[str, str]:
        return mail.status, mail.get_status_display()

    @column(_("Queued"), ordering="created_at")
    def queued(self, mail: Mail) -> str:
        return formatting.moment(mail.created_at)

    @column(_("Sent on"), ordering="sent_at")
    def sent(self, mail: Mail) -> str:
        return formatting.moment(mail.sent_at) if mail.sent_at else NOTHING


def kind_of(mail: Mail) -> str:
    """Return what an e-mail tells, with the step of a reminder and whether it is sent again."""
    name = str(MailKind(mail.kind).label)
    if mail.kind == MailKind.OVERDUE:
        name = _t("%(kind)s, step %(step)s") % {"kind": name, "step": mail.step}
    return _t("%(kind)s (sent again)") % {"kind": name} if mail.copy else name


class MailInline(ReadOnlyInline, MailColumns, TabularInline):
    """The e-mails of a document, on its page."""

    model = Mail
    verbose_name_plural = _("E-mails")
    fields = ("look", "address", "state_text", "queued", "sent")
    readonly_fields = fields
    ordering = ("pk",)

    @column(_("E-mail"))
    def look(self, mail: Mail) -> str:
        return link(admin_url(mail, "change", mail.pk), kind_of(mail))

    @column(_("Status"))
    def state_text(self, mail: Mail) -> str:
        # Only lists know columns with colours.
        return mail.get_status_display()


@admin.register(Mail)
class MailAdmin(MailColumns, CsvExport, ReadOnlyAdmin):
    """The outbox. Rows are made with what they tell of; a person has them sent again."""

    list_display = ("about", "receipt_link", "address", "state", "attempts", "sent")
    list_filter = ("status", "kind", WaitingFilter, ReceiptFilter)
    list_select_related = ("receipt__project",)
    search_fields = ("^receipt__number", "=receipt__project__code", "recipient")
    date_hierarchy = "created_at"
    actions_detail = ("resend", "put_aside")
    steps_by_status = {
        S.QUEUED: {"put_aside"},
        S.FAILED: {"put_aside"},
        S.SENT: {"resend"},
        S.GIVEN_UP: {"resend", "put_aside"},
        S.DROPPED: {"resend"},
    }
    fields = (
        ("receipt_link", "about"),
        ("status", "attempts"),
        ("address", "language"),
        ("queued", "sent"),
        ("next_attempt_at", "last_error"),
        ("message_id", "created_by"),
    )
    readonly_fields = ("receipt_link", "about", "address", "queued", "sent", "message_id")
    change_form_after_template = "admin/receipts/mail/after.html"
    csv_columns = {
        "receipt": "receipt__number",
        "project": "receipt__project__code",
        "kind": "kind",
        "step": "step",
        "copy": "copy",
        "recipient": "recipient",
        "recipient_sha256": "recipient_sha256",
        "language": "language",
        "status": "status",
        "attempts": "attempts",
        "queued": "created_at",
        "sent": "sent_at",
        "last_error": "last_error",
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mail]:
        queryset: QuerySet[Mail] = super().get_queryset(request)
        return queryset.select_related("receipt__project")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an e-mail as it was sent, or as it would be now."""
        mail = self.get_object(request, object_id)
        shown = {}
        if mail is not None and self.has_view_permission(request, mail):
            shown = {"mail": mail, "message": mail if mail.sent_at else message_for(mail, False)}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )
        return response

    def has_resend_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may have e-mails sent again or put aside."""
        return request.user.has_perm("receipts.resend_mail")

    @column(_("Receipt"), ordering="receipt__number")
    def receipt_link(self, mail: Mail) -> str:
        return link(admin_url(Receipt, "change", mail.receipt_id), mail.receipt)

    @button(_("Send again"), path="resend", icon="forward_to_inbox", permission="resend")
    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue it once more, to the same address."""
        mail: Mail = self.pick(request, object_id)

        def run(actor: Actor, _values: dict[str, Any]) -> Done:
            made = resend_mail(mail_id=mail.pk, actor=actor)
            return Done(_t("The e-mail is queued."), admin_url(made, "change", made.pk))

        intro = _("It is written anew, with the figures of now, and goes to the same address.")
        return self.step(request, _step(mail, _("Send the e-mail again"), _("Send"), run, intro))

    @button(_("Put aside"), path="put-aside", icon="unsubscribe", permission="resend")
    def put_aside(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Settle what is not to be sent, saying why."""
        mail: Mail = self.pick(request, object_id)

        def run(actor: Actor, values: dict[str, Any]) -> str:
            let_be(mail_id=mail.pk, actor=actor, reason=values["reason"])
            return _t("The e-mail is put aside.")

        intro = _("It is not sent any more. Say why, for whoever asks later.")
        step = _step(mail, _("Put the e-mail aside"), _("Put aside"), run, intro, form=ReasonForm)
        return self.step(request, step)


def _step(mail: Mail, title: Any, submit: Any, run: Any, intro: Any, **more: Any) -> Step:
    return Step(
        title=title,
        submit=submit,
        run=run,
        back=admin_url(mail, "change", mail.pk),
        target=mail,
        intro=intro,
        facts=(
            (_("Receipt"), mail.receipt),
            (_("E-mail"), kind_of(mail)),
            (_("To"), mail.recipient or _t("(forgotten)")),
        ),
        **more,
    )
