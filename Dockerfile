# Duly with the tour's handlers, in four roles: --target api (the default), worker, migrate, dev.
# Your own handlers: docs/operate/containers.md

ARG PYTHON_IMAGE=python:3.12.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS built
ARG EXTRAS=postgres,mysql,rabbitmq,redis,celery,jwt,otel,tour
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN python -m venv --without-pip /opt/duly
# What Duly stands on changes seldom: a layer of its own, made with an empty Duly.
COPY pyproject.toml README.md LICENSE ./
RUN install -D /dev/null src/duly/__init__.py \
 && pip --python /opt/duly/bin/python install ".[${EXTRAS}]" \
 && find /opt/duly \( -name '*.c' -o -name '*.pyx' \) -delete
COPY src src
RUN pip --python /opt/duly/bin/python install --no-deps --force-reinstall .

FROM ${PYTHON_IMAGE} AS runtime
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin duly \
 && install -d -o duly -g duly /data
COPY --from=built /opt/duly /opt/duly
COPY examples/tour /app/tour
ENV PATH=/opt/duly/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DULY_DATABASE_URL=sqlite:////data/duly.db
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["duly"]

FROM runtime AS migrate
CMD ["migrate"]

FROM runtime AS worker
ENV DULY_HOST=0.0.0.0
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["python", "-ISc", \
    "from http.client import *; c = HTTPConnection('127.0.0.1', 8081, timeout=5); c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["worker", "tour.app:duly", "--health-port", "8081"]

FROM runtime AS served
ENV DULY_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["python", "-ISc", \
    "from http.client import *; c = HTTPConnection('127.0.0.1', 8000, timeout=5); c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]

FROM served AS dev
CMD ["dev", "tour.app:duly"]

FROM served AS api
CMD ["api", "tour.app:duly"]
