"""WSGI entry point."""

import os
import re
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpcbilling.settings")

_django = get_wsgi_application()
_CHARSET = re.compile(r";\s*charset=[^;]*", re.IGNORECASE)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Read addresses and forms as UTF-8, whatever charset a request claims.

    Python knows charsets that are no texts (``zlib``) or that yield half characters (``utf-7``).
    Django would decode parameters with them, and fail before any code of ours could answer.
    """
    environ["CONTENT_TYPE"] = _CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    return _django(environ, start_response)
