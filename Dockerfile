# The program `tidemark` without anything else: a static binary, run by a user without rights.
#
#     docker build --build-arg COMMIT=$(git rev-parse --short=12 HEAD) -t tidemark .
#     docker run --rm -v "$PWD:/project" --user "$(id -u):$(id -g)" tidemark run exports
#
# With AWS: --build-arg FEATURES=install,aws; postgres adds PostgreSQL.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev gcc make
WORKDIR /tidemark
COPY . .
ARG FEATURES=install
ARG COMMIT=
ENV TIDEMARK_COMMIT=$COMMIT CARGO_PROFILE_RELEASE_STRIP=true
RUN cargo build --release --locked --package tidemark --features "$FEATURES"

# It has certificates, /tmp, and the user `nonroot`; no shell.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /tidemark/target/release/tidemark /usr/local/bin/tidemark
WORKDIR /project
ENTRYPOINT ["/usr/local/bin/tidemark"]
