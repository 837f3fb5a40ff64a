# The application's image: web server, worker, beat and commands are one image with different commands.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt

FROM python:3.13-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=hpcbilling.settings \
    ENVIRONMENT=production \
    BIND_ADDRESS=0.0.0.0 \
    PORT=8000 \
    STATIC_ROOT=/srv/static \
    DROP_FOLDER_ROOT=/srv/drop \
    TMPDIR=/srv/spool \
    PROMETHEUS_MULTIPROC_DIR=/srv/metrics
RUN useradd --system --uid 10001 --home-dir /srv --shell /usr/sbin/nologin hpcbilling \
    && mkdir -p /srv/static /srv/drop /srv/metrics /srv/spool \
    && chown -R hpcbilling: /srv
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
RUN python -m hpcbilling.catalogues --compile
# The settings want secrets; those of the build are made up, and no layer keeps them.
RUN SECRET_KEY="$(head -c 60 /dev/urandom | base64 -w0)" DATABASE_URL=postgres://build \
    REDIS_URL=redis://build ALLOWED_HOSTS=build SITE_BASE_URL=https://build \
    python manage.py collectstatic --noinput --verbosity 0 \
    && python -m hpcbilling.catalogues --compile
USER hpcbilling
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=12s --start-period=30s \
    CMD ["python", "-m", "hpcbilling.health"]
CMD ["gunicorn", "hpcbilling.wsgi", "--config", "python:hpcbilling.gunicorn_conf"]
