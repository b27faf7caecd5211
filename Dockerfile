# One image for API, worker and migrations; the command says which (see docker-compose.temporal.yml).

# What pages load in a browser.
FROM node:22.21.1-bookworm-slim AS assets
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.11.14-slim-bookworm AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.lock .
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock

FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin hotel
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=packages /opt/venv /opt/venv
COPY --from=assets /build/node_modules ./node_modules
COPY alembic.ini manage.py models.py settings.py worker.py ./
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
USER hotel
EXPOSE 8000
# GET /healthz tells whether the API lives, GET /readyz whether it can work. A worker has no port: it is alive
# while its process is, and an API's /readyz says whether any worker polls.
CMD ["python", "-m", "api"]
