"""Settings, from the environment alone. `.env.example` lists and explains every variable.

What differs between development, production and tests follows from ENVIRONMENT (see
`hpcbilling.environment`); there is one settings module, so that what is tested is what runs.
"""

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from hpcbilling import api_schema, environment, log_setup
from hpcbilling.console import colours

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

if not os.environ.get("DATABASE_URL"):
    for _name, _value in environment.running_services(BASE_DIR).items():
        os.environ.setdefault(_name, _value)

env = environ.Env()
ENVIRONMENT = environment.which_environment(os.environ)
PRODUCTION = ENVIRONMENT == environment.PRODUCTION
DEVELOPMENT = ENVIRONMENT == environment.DEVELOPMENT
DEBUG = env.bool("DEBUG", default=False)
if DEBUG and PRODUCTION:
    raise ImproperlyConfigured(
        "DEBUG shows secrets to visitors: unset it when ENVIRONMENT=production."
    )

SECRET_KEY = environment.secret(os.environ, "SECRET_KEY", ENVIRONMENT)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = environment.required(
    os.environ, "ALLOWED_HOSTS", ENVIRONMENT, "localhost,127.0.0.1,[::1],testserver"
).split(",")
SITE_BASE_URL = environment.required(
    os.environ, "SITE_BASE_URL", ENVIRONMENT, f"http://localhost:{env.str('PORT', default='8000')}"
).rstrip("/")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# The site
SITE_NAME = env.str("SITE_NAME", default="HPC Billing")
SITE_CURRENCY = env.str("SITE_CURRENCY", default="THB")
SITE_TIME_ZONE = env.str("SITE_TIME_ZONE", default="Asia/Bangkok")
# A price list that changes a bill of last month by more than this needs an override by name.
CANARY_PERCENT = env.int("CANARY_PERCENT", default=50)
if CANARY_PERCENT < 1:
    raise ImproperlyConfigured("CANARY_PERCENT is a percentage of 1 or more.")
# By currency. What one person alone gives or charges by hand on a document, up to this; a currency
# that is not named, or 0: a second person approves everything.
ADJUSTMENT_LIMIT = environment.amounts_by_currency(
    env.str("ADJUSTMENT_LIMIT", default="1000"), "ADJUSTMENT_LIMIT", SITE_CURRENCY
)
# By currency. Corrections of an issued receipt that come to at least this get their documents at
# once; a currency that is not named, or 0: all do.
CORRECTION_THRESHOLD = environment.amounts_by_currency(
    env.str("CORRECTION_THRESHOLD", default="100"), "CORRECTION_THRESHOLD", SITE_CURRENCY
)
SITE_ADDRESS = env.str("SITE_ADDRESS", default="")
SITE_BANK_DETAILS = env.str("SITE_BANK_DETAILS", default="")  # shown to who pays by transfer
SITE_TAX_ID = env.str("SITE_TAX_ID", default="")
SITE_BRANCH = env.str("SITE_BRANCH", default="")  # five digits; 00000 is the head office
SITE_CONTACT = env.str("SITE_CONTACT", default="")
SITE_PROMPTPAY_ID = env.str("SITE_PROMPTPAY_ID", default="")  # digits only
DOCUMENT_AT_ISSUE = env.str("DOCUMENT_AT_ISSUE", default="invoice")
SERIES_RECEIPT = env.str("SERIES_RECEIPT", default="RC")
SERIES_CREDIT_NOTE = env.str("SERIES_CREDIT_NOTE", default="CN")
# Given after payment: none, receipt, or receipt_tax_invoice, which is a tax invoice too.
DOCUMENT_AT_PAYMENT = env.str("DOCUMENT_AT_PAYMENT", default="receipt")
if DOCUMENT_AT_PAYMENT not in ("none", "receipt", "receipt_tax_invoice"):
    raise ImproperlyConfigured("DOCUMENT_AT_PAYMENT is none, receipt or receipt_tax_invoice.")
SERIES_OFFICIAL = env.str("SERIES_OFFICIAL", default="OR")
if SERIES_OFFICIAL in (SERIES_RECEIPT, SERIES_CREDIT_NOTE):
    raise ImproperlyConfigured("SERIES_OFFICIAL is a series of its own: give it another code.")
SERIES_PATTERN = env.str("SERIES_PATTERN", default="{code}-{year}-{number:06d}")
try:
    JOURNAL_LAYOUTS: dict[str, Any] = env.json("JOURNAL_LAYOUTS", default={})
except ValueError as error:
    raise ImproperlyConfigured(
        f"JOURNAL_LAYOUTS is one line of JSON, as docs/books.md shows: {error}"
    ) from error
SITE_TAX_RATE = Decimal(env.str("SITE_TAX_RATE", default="0"))  # percent, on top of line amounts
ESTIMATE_PUBLIC = env.bool("ESTIMATE_PUBLIC", default=False)  # tiers' prices for all the world
SITE_PAYMENT_DAYS = env.int("SITE_PAYMENT_DAYS", default=30)
# Days before the due date, and after it, on which a project is reminded; attempts at a mail before
# a person has to look at it; days after which addresses of mails are forgotten.
REMIND_BEFORE_DAYS = env.int("REMIND_BEFORE_DAYS", default=3)
REMIND_AFTER_DAYS = tuple(int(day) for day in env.list("REMIND_AFTER_DAYS", default=[1, 14, 30]))
MAIL_ATTEMPTS = env.int("MAIL_ATTEMPTS", default=12)
MAIL_ADDRESS_DAYS = env.int("MAIL_ADDRESS_DAYS", default=180)
SITE_FISCAL_YEAR_START = env.int("SITE_FISCAL_YEAR_START", default=1)  # month; 10 in Thai offices
DROP_FOLDER_ROOT = Path(
    env.str("DROP_FOLDER_ROOT", default=str(environment.services_directory(BASE_DIR) / "drop"))
)
# The operator's connections to Slurm, a TOML file; `usage/connections.py` says what stands in it.
SLURM_CONNECTIONS = env.str("SLURM_CONNECTIONS", default="")
# Pulls: who is told of a night that did not happen, and what is called after each good one.
OPERATOR_EMAIL: list[str] = env.list("OPERATOR_EMAIL", default=[])
HEARTBEAT_URL = env.str("HEARTBEAT_URL", default="")
BACKFILL_READERS = env.int("BACKFILL_READERS", default=4)
RATING_CONNECTIONS = env.int("RATING_CONNECTIONS", default=2)  # of one worker, at the same time
# Pages say that the usage is made up of recorded rows; `make demo` sets it.
DEMO = env.bool("DEMO", default=False)
if DEMO and PRODUCTION:
    raise ImproperlyConfigured(
        "DEMO marks every page as play: unset it when ENVIRONMENT=production."
    )

# Payments. The dummy provider lets anyone pay with play money, so production refuses it.
PAYMENT_PROVIDERS: list[str] = env.list(
    "PAYMENT_PROVIDERS", default=["manual"] if PRODUCTION else ["manual", "dummy"]
)
if PRODUCTION and "dummy" in PAYMENT_PROVIDERS:
    raise ImproperlyConfigured(
        "PAYMENT_PROVIDERS has 'dummy', with which anyone can mark a receipt as paid: remove it."
    )
PAYMENT_DUMMY_SECRET = (
    "" if PRODUCTION else environment.secret(os.environ, "PAYMENT_DUMMY_SECRET", ENVIRONMENT)
)

INSTALLED_APPS = [
    "hpcbilling",  # first: its `migrate` command and templates come before Django's
    "hpcbilling.console.site.ConsoleConfig",  # unfold
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "rest_framework",
    "core",
    "audit",
    "accounts",
    "usage",
    "pricing",
    "receipts",
    "payments",
    "insights",
]

MIDDLEWARE = [
    "hpcbilling.metrics.RequestMetricsMiddleware",
    "hpcbilling.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "hpcbilling.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it turns a locked-out login into its response
]

ROOT_URLCONF = "hpcbilling.urls"
WSGI_APPLICATION = "hpcbilling.wsgi.application"
ASGI_APPLICATION = "hpcbilling.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.i18n",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "core.context_processors.site",
            ],
        },
    },
]

# Database. `default` is the application's role, which owns no table; `owner`, which only migrations
# need, is there when DATABASE_OWNER_URL is set (see hpcbilling.database_roles).
environ.Env.DB_SCHEMES.setdefault("postgresql", "django.db.backends.postgresql")


def _database(url: str) -> dict[str, Any]:
    config: dict[str, Any] = env.db_url_config(url)
    options = config.setdefault("OPTIONS", {})
    options["connect_timeout"] = 10
    # PostgreSQL compiles for seconds what looks dear to it and then runs in milliseconds, such as
    # statements over tables that have just been filled.
    options.setdefault("options", "-c jit=off")
    config["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    config["CONN_HEALTH_CHECKS"] = True
    return config


DATABASES = {
    "default": _database(
        environment.required(os.environ, "DATABASE_URL", ENVIRONMENT, environment.NO_DATABASE_URL)
    ),
}
if env.str("DATABASE_OWNER_URL", default=""):
    DATABASES["owner"] = _database(env.str("DATABASE_OWNER_URL")) | {"CONN_MAX_AGE": 0}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Cache and tasks
REDIS_URL = environment.required(os.environ, "REDIS_URL", ENVIRONMENT, environment.NO_REDIS_URL)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "hpcbilling",
    },
}
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    # A person's request must not wait for a queue that is down: the schedule finds the work.
    "max_retries": 0,
    "socket_connect_timeout": 3,
}
CELERY_TASK_IGNORE_RESULT = True  # what a task did is in the database, not in Redis
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = SITE_TIME_ZONE
DJANGO_STRUCTLOG_CELERY_ENABLED = True

# People
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: a locked-out person gets no further
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = env.int("SESSION_HOURS", default=12) * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True

# Lockout: failures are counted for a name at one address, so nobody can lock out someone else.
AUTH_LOCKOUT_ENABLED = env.bool("AUTH_LOCKOUT_ENABLED", default=True)
AUTH_LOCKOUT_FAILURES = env.int("AUTH_LOCKOUT_FAILURES", default=5)
AUTH_LOCKOUT_ADDRESS_FAILURES = env.int("AUTH_LOCKOUT_ADDRESS_FAILURES", default=50)
AUTH_LOCKOUT_MINUTES = env.int("AUTH_LOCKOUT_MINUTES", default=15)
AXES_ENABLED = AUTH_LOCKOUT_ENABLED
AXES_FAILURE_LIMIT = AUTH_LOCKOUT_FAILURES
AXES_COOLOFF_TIME = timedelta(minutes=AUTH_LOCKOUT_MINUTES)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # it ends when the page said it would
AXES_HANDLER = "accounts.lockout.LockoutHandler"
AXES_LOCKOUT_CALLABLE = "accounts.views.locked_out"
AXES_ENABLE_ADMIN = False
AXES_CLIENT_IP_CALLABLE = "core.client_address.client_address"
PROXY_COUNT = env.int("PROXY_COUNT", default=0)

# Language and time
LANGUAGE_CODE = env.str("SITE_LANGUAGE", default="en")
LANGUAGES = [("en", _("English")), ("th", _("Thai"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "hpcbilling.formats"
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_TZ = True
TIME_ZONE = SITE_TIME_ZONE

# Files
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        ),
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = not PRODUCTION
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# Mail
_mail = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = _mail.pop("EMAIL_BACKEND")
EMAIL_FILE_PATH = _mail.get("EMAIL_FILE_PATH") or None
EMAIL_HOST = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = bool(_mail.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL = bool(_mail.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="HPC Billing <billing@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Browsers. Production speaks HTTPS only; a reverse proxy says so when BEHIND_PROXY is set.
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=PRODUCTION)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
LANGUAGE_COOKIE_SECURE = PRODUCTION
X_FRAME_OPTIONS = "DENY"
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = BEHIND_PROXY  # else a visitor could choose the id
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
# unfold's templates evaluate expressions and set styles inline, so /admin/ alone allows both.
CONTENT_SECURITY_POLICY_ADMIN = {
    "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}

# API
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",  # first: it makes 401 of no credentials
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.permissions.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.rest.parsing.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["core.rest.filters.StrictFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "core.rest.pagination.KeyPagination",
    "DEFAULT_THROTTLE_CLASSES": [
        "core.rest.throttling.UserThrottle",
        "core.rest.throttling.AnonymousThrottle",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.rest.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "NUM_PROXIES": env.int("PROXY_COUNT", default=0),
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
API_THROTTLE_RATES = {
    "user": env.str("API_THROTTLE_USER", default="600/min"),
    "anon": env.str("API_THROTTLE_ANONYMOUS", default="60/min"),
}
SPECTACULAR_SETTINGS = api_schema.SETTINGS

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": SITE_NAME,
    "SITE_HEADER": SITE_NAME,
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": False,  # the audit log is the history
    "DASHBOARD_CALLBACK": "hpcbilling.console.home.home",
    "SIDEBAR": {"navigation": "hpcbilling.console.navigation.sidebar"},
    "STYLES": ["hpcbilling.console.navigation.style"],
    "SCRIPTS": ["hpcbilling.console.navigation.script"],
    "COLORS": {"primary": colours.PRIMARY},
}
IMPORT_EXPORT_USE_TRANSACTIONS = True

# Operations. Processes that share PROMETHEUS_MULTIPROC_DIR are counted together.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
LOG_LEVEL = env.str("LOG_LEVEL", default="WARNING" if ENVIRONMENT == environment.TEST else "INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="json")
LOGGING = log_setup.logging_config(LOG_LEVEL, as_json=LOG_FORMAT == "json")
log_setup.configure_structlog()

if ENVIRONMENT == environment.TEST:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
