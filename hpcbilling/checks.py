"""System checks that a deployment must pass."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.db.utils import OperationalError

from hpcbilling import catalogues, database_roles
from usage import connections


@checks.register(checks.Tags.security, deploy=True)
def application_role_is_weak(**_options: Any) -> list[checks.CheckMessage]:
    """In production the application's role must not own tables or be a superuser."""
    if not settings.PRODUCTION:
        return []
    try:
        reasons = database_roles.excess_of_power()
    except OperationalError as error:
        return [
            checks.Info(
                f"The database could not be asked about the application's role: {error}",
                id="hpcbilling.I001",
            )
        ]
    if not reasons:
        return []
    return [
        checks.Error(
            f"The role in DATABASE_URL can get around constraints: {'; '.join(reasons)}.",
            hint=(
                "Let DATABASE_OWNER_URL name the role that owns the tables, and DATABASE_URL one "
                "only made with CREATE ROLE … LOGIN; then run `manage.py migrate`."
            ),
            id="hpcbilling.E001",
        )
    ]


@checks.register()
def connections_can_be_used(**_options: Any) -> list[checks.CheckMessage]:
    """What is wrong with the file of connections is said before the first night, not after it."""
    try:
        found = connections.configured()
    except connections.ConnectionsInvalid as error:
        return [
            checks.Error(
                f"SLURM_CONNECTIONS: {problem}",
                hint='docs/operations.md, "Where usage comes from", shows a file.',
                id="hpcbilling.E002",
            )
            for problem in error.problems
        ]
    return [
        checks.Warning(f"SLURM_CONNECTIONS: {remark}", id="hpcbilling.W002")
        for remark in connections.remarks(found)
    ]


@checks.register(checks.Tags.translation, deploy=True)
def catalogues_are_compiled(**_options: Any) -> list[checks.CheckMessage]:
    """Without compiled catalogues pages would be English whatever language is chosen."""
    return [
        checks.Warning(
            f"The texts in {language} are not compiled, or older than their source.",
            hint="Run `python -m hpcbilling.catalogues --compile`.",
            id="hpcbilling.W001",
        )
        for language, path in catalogues.catalogue_files().items()
        if not catalogues.is_compiled(path)
    ]
