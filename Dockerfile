# Two stages on Debian 12: build and test, then the installed tree with the few libraries it needs.
FROM debian:12-slim AS build
WORKDIR /src
COPY tools/ tools/
RUN tools/deps
COPY . .
RUN make && make test && make install PREFIX=/opt/raudal

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    libjansson4 libsqlite3-0 libxxhash0 libzstd1 zlib1g libmicrohttpd12 libedit2 libstdc++6 \
    librdkafka1 libpq5 libssl3 liblz4-1 libsnappy1v5 libcurl4 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 raudal \
 && install -d -o raudal /root-of-runs
COPY --from=build /opt/raudal /opt/raudal
ENV PATH=/opt/raudal/bin:$PATH
USER raudal
VOLUME /root-of-runs
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["raudal"]
CMD ["help"]
