# syntax=docker/dockerfile:1.7
# One image for every Airflow component, the Celery workers and the MLflow server: what scores is what was trained with.

# Not the slim one: it has the C compiler that builds the kernel of compiled trees, which is copied without it.
FROM python:3.12.12-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build

# Dependencies first: this layer is built again only when a lock changes.  Compiled here, once: uncompiled, importing
# Great Expectations or Airflow takes three times as long, in every task.
COPY requirements/production.lock requirements/production.lock
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --compile --require-hashes --only-binary :all: -r requirements/production.lock

# The build backend has a lock and an environment of its own, so that nothing is fetched unpinned and none of it ships.
COPY deploy/build.lock deploy/build.lock
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r deploy/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY features features
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/venv/bin/pip install --compile --no-deps dist/*.whl \
    && /opt/venv/bin/pip uninstall --yes pip \
    && /opt/venv/bin/python -c "import pipeline, features" \
    # Of what was installed, and not of the sources that lie here.
    && /opt/venv/bin/python -P -m pipeline.trees.build


FROM python:3.12.12-slim-bookworm
# The number is what volumes are owned by: change it and existing volumes need a chown.
RUN groupadd --gid 10001 nightjar \
    && useradd --uid 10001 --gid nightjar --home-dir /var/lib/nightjar --no-create-home --shell /usr/sbin/nologin nightjar \
    # Fresh named volumes take owner and mode from these folders.
    && install -d -o nightjar -g nightjar -m 0750 /var/lib/nightjar /var/lib/nightjar/airflow /var/lib/nightjar/lake \
        /var/lib/nightjar/logs /var/lib/nightjar/mlflow
COPY --from=build /opt/venv /opt/venv
COPY dags /opt/nightjar/dags
COPY plugins /opt/nightjar/plugins
COPY deploy /opt/nightjar/deploy
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/var/lib/nightjar/airflow
WORKDIR /opt/nightjar
USER nightjar:nightjar
# Every service of docker-compose.yml has a health check of its own; the image alone starts nothing that could have one.
HEALTHCHECK NONE
CMD ["nightjar", "--help"]
