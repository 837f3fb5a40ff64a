"""``manage.py create_api_token``: make a token for a person, such as for a script's own account."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.scopes import Scope
from accounts.tokens import create_token
from core.actor import Actor
from core.errors import DomainError


class Command(BaseCommand):
    """Prints the key, and nothing else, on standard output; it can't be shown again."""

    help = "Make an API token and print its key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="whose rights the token has")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=Scope.values,
            help="what it may be used for; give the option once for each scope",
        )
        parser.add_argument("--days", type=int, default=90, help="how long it lives (90)")
        parser.add_argument("--name", default="command line", help="what it is called in lists")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {options['user']!r}.")
        try:
            _token, key = create_token(
                user=user,
                name=options["name"],
                scopes=options["scope"],
                days=options["days"],
                actor=Actor.system("command"),
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(key)
