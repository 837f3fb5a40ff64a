"""Addresses of receipts."""

from django.urls import path

from receipts import views

app_name = "receipts"
urlpatterns = [
    path("", views.receipt_list, name="list"),
    path("create/", views.create, name="create"),
    path("<uuid:public_id>/", views.detail, name="detail"),
    path("<uuid:public_id>/document.<str:form>", views.document_file, name="file"),
    path("<uuid:public_id>/print/", views.print_page, name="print"),
    path("<uuid:public_id>/why/", views.why, name="why"),
    path("<uuid:public_id>/lines.csv", views.lines_csv, name="lines.csv"),
    path("<uuid:public_id>/lines/<int:position>/", views.line, name="line"),
]
