# One image for API, worker and migrations; the command says which (see docker-compose.temporal.yml).

# What pages load in a browser.
FROM node:22.21.1-bookworm-slim AS assets
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.11.17-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.lock .
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock

FROM python:3.11.17-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin hotel
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY --from=assets /build/node_modules ./node_modules
COPY alembic.ini logs.py manage.py models.py processes.py settings.py worker.py ./
COPY activities ./activities
COPY api ./api
COPY dispatch ./dispatch
COPY domain ./domain
COPY emails ./emails
COPY gateway ./gateway
COPY management ./management
COPY migrations ./migrations
COPY reconciliation ./reconciliation
COPY static ./static
COPY storage ./storage
COPY templates ./templates
COPY wording ./wording
COPY workflows ./workflows
# A clone made under umask 077 gives files that nobody but root can read.
RUN chmod -R a+rX /app
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8000
# GET /healthz tells whether the API lives, GET /readyz whether it can work. A worker has no port: WORKER_READY_FILE
# is there while it polls, and an API's /readyz says whether any worker does.
CMD ["python", "-m", "api"]
