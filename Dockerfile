# Two images:
#
#   docker build --target spanledger -t spanledger .                      for ClickHouse or Postgres on a server
#   docker build --target spanledger-embedded -t spanledger:embedded .    with ClickHouse inside
#
# Both platforms: docker buildx build --platform linux/amd64,linux/arm64 …
# docs/operations.md tells how they are run.

ARG PYTHON=3.13
ARG DEBIAN=bookworm

FROM python:${PYTHON}-slim-${DEBIAN} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN image/build.sh /opt/spanledger fast postgres kafka

FROM build AS build-embedded
RUN image/build.sh /opt/spanledger fast postgres kafka embedded

FROM python:${PYTHON}-slim-${DEBIAN} AS base
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spanledger" \
      org.opencontainers.image.description="OpenTelemetry receiver that keeps a ledger of LLM runs, usage and cost" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 spanledger \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/spanledger --shell /usr/sbin/nologin spanledger \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/spanledger
COPY image/config.yaml /etc/spanledger/config.yaml
ENV PATH=/opt/spanledger/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/spanledger
VOLUME /var/lib/spanledger
# OTLP over gRPC, OTLP over HTTP, API, health check
EXPOSE 4317 4318 3333 13133
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["spanledger", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["spanledger"]
CMD ["serve", "--config", "/etc/spanledger/config.yaml"]

FROM base AS spanledger-embedded
ENV SPANLEDGER_CLICKHOUSE_ENDPOINT=chdb:///var/lib/spanledger/clickhouse
COPY --from=build-embedded /opt/spanledger /opt/spanledger

FROM base AS spanledger
COPY --from=build /opt/spanledger /opt/spanledger
