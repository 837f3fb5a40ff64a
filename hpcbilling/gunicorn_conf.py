"""How the web server runs, in the demo and in a container: `gunicorn --config python:…`.

Threads, because pages wait for the database and for payment providers, not for the processor.
`WEB_CONCURRENCY` sets the number of processes; gunicorn reads it by itself.
"""

import os

from hpcbilling import log_setup

bind = f"{os.environ.get('BIND_ADDRESS', '127.0.0.1')}:{os.environ.get('PORT') or '8000'}"
workers = int(os.environ.get("WEB_CONCURRENCY") or "2")
worker_class = "gthread"
threads = 8
timeout = 60
graceful_timeout = 10
# Each request has its line from django_structlog; gunicorn's own access log would repeat it.
accesslog = None
logconfig_dict = log_setup.logging_config(
    os.environ.get("LOG_LEVEL") or "INFO", as_json=os.environ.get("LOG_FORMAT") != "console"
)
# Its socket would lie in the home directory, which a container does not have and two demos share.
control_socket_disable = True
# Heartbeat files in memory: a slow disk must not look like a hanging worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
