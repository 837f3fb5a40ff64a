#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpcbilling.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from django.db.utils import OperationalError  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        from hpcbilling.environment import explain_no_database  # noqa: PLC0415

        sys.exit(explain_no_database(error))


if __name__ == "__main__":
    main()
