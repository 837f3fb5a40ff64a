"""Structured logs: one JSON object a line, with the request or task it belongs to."""

import logging
from typing import Any

import structlog
from structlog.typing import Processor

REQUEST_LOGGER = "django_structlog.middlewares.request"
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class OneLineARequest(logging.Filter):
    """Drops what says nothing new: a request's start, and the finished ones of probes."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name != REQUEST_LOGGER or not isinstance(record.msg, dict):
            return True
        if record.msg.get("event") == "request_started":
            return False
        path = str(record.msg.get("request", "")).partition(" ")[2]
        return path not in PROBES or record.levelno > logging.INFO


def configure_structlog() -> None:
    """Send structlog's events through the standard library, where one formatter renders all."""
    structlog.configure(
        processors=[
            *SHARED,
            structlog.stdlib.filter_by_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.UnicodeDecoder(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logging_config(level: str, *, as_json: bool) -> dict[str, Any]:
    """Django's LOGGING: everything to standard error, as JSON or for a person's eyes."""
    renderers: list[Processor] = (
        [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=False)]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderers,
                ],
                "foreign_pre_chain": SHARED,
            },
        },
        "filters": {"one_line_a_request": {"()": OneLineARequest}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["one_line_a_request"],
            },
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"level": level},
            # One line a request is written by django_structlog; the server's own would repeat it.
            "django.server": {"handlers": [], "propagate": False},
            "gunicorn.error": {"handlers": ["stderr"], "level": level, "propagate": False},
            "axes": {"level": "WARNING"},
        },
    }
