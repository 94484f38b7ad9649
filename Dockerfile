FROM swift:6.3-bookworm AS build
WORKDIR /source
COPY Scripts/packages.txt Scripts/
RUN apt-get update \
    && xargs -a Scripts/packages.txt apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*
# The dependencies change less often than the sources: a layer of their own.
COPY Package.swift ./
RUN swift package resolve
COPY . .
RUN swift build -c release --product agent-memory --static-swift-stdlib \
    && install -s "$(swift build -c release --show-bin-path)/agent-memory" /usr/local/bin/

# The sentence model, so that the image searches by meaning without a network.
FROM python:3.13-slim-bookworm AS model
COPY Scripts/fetch-model Scripts/requirements-model.txt /
RUN /fetch-model /models

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libcurl4 libhiredis0.14 \
        libopenblas0-pthread libpq5 tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home --shell /usr/sbin/nologin agent-memory
COPY --from=build /usr/local/bin/agent-memory /usr/local/bin/
COPY --from=model /models /usr/share/agent-memory/models
USER agent-memory
# Inside a container every address is the container's own.
ENV HOST=0.0.0.0 PORT=8000 LOCAL_MODEL_CACHE=/usr/share/agent-memory/models
# Should the server crash, it ends at once: a backtrace takes seconds in which it holds its port and answers nobody.
ENV SWIFT_BACKTRACE=enable=no
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD curl --fail --silent --show-error --output /dev/null "http://127.0.0.1:$PORT/v1/health"
ENTRYPOINT ["agent-memory"]
CMD ["api"]
