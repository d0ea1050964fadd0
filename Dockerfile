# syntax=docker/dockerfile:1
FROM python:3.13.9-slim-bookworm AS build
WORKDIR /src
# The compiler builds the encoder in C. The final image has no compiler.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/journeys
# `--build-arg REQUIREMENTS=otel` adds OpenTelemetry, for tracing.
ARG REQUIREMENTS=run
COPY requirements/run.txt requirements/otel.txt requirements/build.in requirements/
RUN /opt/journeys/bin/pip install --no-cache-dir --require-hashes --requirement "requirements/$REQUIREMENTS.txt"
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY docs/runbook.md docs/runbook.md
COPY schemas schemas
COPY services services
# A separate environment builds the wheel. Only the worker and its dependencies reach the final image.
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --requirement requirements/build.in \
    && /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/journeys/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
    && /opt/journeys/bin/python -c 'import journeys.producer.encoding.native' \
    && /opt/journeys/bin/pip uninstall --yes pip

FROM python:3.13.9-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home journeys
COPY --from=build /opt/journeys /opt/journeys
ENV PATH=/opt/journeys/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 JOURNEYS_OPS__HOST=0.0.0.0
USER 10001
EXPOSE 8080
# After this signal the worker commits its finished orders, leaves its group and exits within 10 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('JOURNEYS_OPS__PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["journeys"]
CMD ["run"]
