from typing import Any

from django.core.management.commands import migrate

from hpcbilling import bootstrap, database_roles


class Command(migrate.Command):
    """Django's migrate, run as the tables' owner.

    Then the application gets its rights, and a new site its seeds.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        alias = database_roles.migration_alias(options["database"])
        options["database"] = alias
        changes = not (options["plan"] or options["check_unapplied"])
        two_roles = alias == database_roles.OWNER and changes
        if two_roles:
            database_roles.grant_ahead(alias)
        super().handle(*args, **options)
        if two_roles:
            database_roles.grant(alias)
        if changes and not options["app_label"]:
            bootstrap.run()
