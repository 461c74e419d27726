# The compiler that rust-toolchain.toml names; .ci/chart compares the two. The image has gcc, which some dependencies need, and
# Debian's libraries, which the final image takes from it. The release recipe (docs/release.md) adds the digest.
FROM rust:1.95.0-slim-bookworm AS builder
WORKDIR /build

# How the program of a release is built, with the list of its crates inside: see packaging/build, which has the version of its tool.
COPY packaging/build packaging/wrapped-cargo packaging/openlines.profdata.gz packaging/
RUN packaging/build --tools

# The dependencies, in a layer that lasts until a Cargo.toml or Cargo.lock changes: empty crates stand in for ours.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY crates/bitrix24/Cargo.toml crates/bitrix24/
COPY crates/pacing/Cargo.toml crates/pacing/
COPY crates/sandbox/Cargo.toml crates/sandbox/
COPY crates/store/Cargo.toml crates/store/
RUN for package in . crates/*; do mkdir "$package/src" && touch "$package/src/lib.rs" || exit 1; done \
    && echo 'fn main() {}' > build.rs \
    && cp build.rs src/main.rs \
    && SOURCE_DATE_EPOCH=0 OPENLINES_REVISION=unknown packaging/build \
    && rm -r src build.rs crates

COPY build.rs ./
COPY third_party third_party
COPY crates crates
COPY proto proto
COPY src src
# Files keep their times from the checkout, which may be older than the empty crates'. Git is not here, so the commit comes
# from outside, and its time.
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
RUN touch build.rs src/lib.rs src/main.rs crates/*/src/lib.rs \
    && SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" OPENLINES_REVISION="$REVISION" packaging/build


# What the image holds, without a base image: see packaging/image/rootfs.
FROM builder AS root
ARG SOURCE_DATE_EPOCH=0
COPY packaging/image/rootfs packaging/image/rootfs
RUN packaging/image/rootfs target/dist/openlines /image


# The symbols, for `docker build --target symbols --output …`.
FROM scratch AS symbols
COPY --from=root /image.debug /


FROM scratch

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bitrix24-openlines" \
      org.opencontainers.image.description="A gRPC service that sends messages into Bitrix24 open channels, for many portals at once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=root /image /

# Where the default store, `sqlite:openlines.db`, lands: mount a volume here. With PostgreSQL nothing is written.
WORKDIR /var/lib/openlines

# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
# gRPC; live, ready and metrics over HTTP; installations over HTTP.
EXPOSE 50051 9464 8080
ENTRYPOINT ["openlines"]
CMD ["serve"]
