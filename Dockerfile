# syntax=docker/dockerfile:1
# The image of both programs, `conduit-server` and `conduit`: about the size of its base and of the two.
# `scripts/docker_steps.py` runs these steps without a Docker engine, so every RUN works by paths relative to its WORKDIR.

ARG RUST=1.95.0-slim-bookworm
ARG DEBIAN=12.12-slim

FROM rust:${RUST} AS build
WORKDIR /src
COPY . .
# The registry and what was compiled stay in caches of the builder, so a changed source compiles only what depends on it.
# They are no part of a layer: what is wanted of them is copied out. Line tables are left out, names of functions stay.
RUN --mount=type=cache,id=conduit-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=conduit-target,target=/src/target,sharing=locked \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo cargo build --release --locked --package conduit-server --bins \
    && mkdir -p out/bin out/state \
    && cp target/release/conduit-server target/release/conduit out/bin/

FROM debian:${DEBIAN}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="conduit" \
      org.opencontainers.image.description="Delivers the changes of MongoDB collections, at least once and in order per document" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/conduit-cdc/conduit" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# Whom https destinations, and a MongoDB or Redis over TLS, are trusted by.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/out/bin/ /usr/local/bin/
# For an embedded state or `file` destinations; mount a volume here.
COPY --from=build --chown=65532:65532 /src/out/state /var/lib/conduit
WORKDIR /var/lib/conduit
# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
# All addresses of the container: without CONDUIT_API_TOKEN the server ends with a line that says what to set.
ENV HOST=0.0.0.0
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# Asks /health of whatever runs here: the API's port, or a worker's.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 CMD ["conduit-server", "healthcheck"]
ENTRYPOINT ["conduit-server"]
CMD ["run"]
