# One image for the webhook and the operator: docker build --tag seconder .
# BASE is any image that is Debian with apt; Debian's own Python keeps its security updates in one place.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS runtime
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && useradd --system --uid 65532 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin seconder \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*

FROM runtime AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev python3-dev python3-pip
WORKDIR /source
COPY requirements.lock requirements-build.lock ./
# Where pip needs settings or a CA of its own: --secret id=pip.conf,src=FILE --secret id=ca.pem,src=FILE. Neither stays.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem \
    pip install --break-system-packages --no-cache-dir --only-binary :all: \
    --require-hashes --requirement requirements-build.lock \
 && python3 -m venv --without-pip /opt/seconder \
 && pip --python /opt/seconder/bin/python install --no-cache-dir --no-compile --only-binary :all: \
    --require-hashes --requirement requirements.lock --report /source/installed.json
COPY pyproject.toml setup.py README.md ./
COPY controller controller
# 0: pure Python, which takes a third more processor time for a review.
ARG COMPILED=1
RUN SECONDER_COMPILED=${COMPILED} pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir . . \
 && pip --python /opt/seconder/bin/python install --no-index --no-compile --no-deps seconder-*.whl
# Read-only at run time, so compiled now; unchecked, because nothing there ever changes.
RUN python3 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /opt/seconder/lib
COPY hack/sbom.py ./
COPY --from=runtime /var/lib/dpkg/status ./dpkg-status
RUN python3 sbom.py pyproject.toml installed.json dpkg-status > seconder.cdx.json

# The software bill of materials alone: docker build --target sbom --output . .
FROM scratch AS sbom
COPY --from=build /source/seconder.cdx.json /

FROM runtime
ARG VERSION=0.1.0
ARG REVISION
LABEL org.opencontainers.image.title="seconder" \
      org.opencontainers.image.description="A Kubernetes admission controller: an agent's deletion needs a peer's signature" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/seconder /opt/seconder
COPY --from=build /source/seconder.cdx.json /usr/share/sbom/
ENV PATH=/opt/seconder/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SECONDER_REVISION=${REVISION}
USER 65532:65532
EXPOSE 9443 9090
ENTRYPOINT ["seconder"]
