# For redis:7, which is in the Debian before the base's: 7.0.
ARG BASE
FROM $BASE
RUN sed 's/trixie/bookworm/' /etc/apt/sources.list > /etc/apt/sources.list.d/bookworm.list \
    && apt-get update && apt-get install --yes --no-install-recommends --target-release bookworm redis-server \
    && rm -rf /var/lib/apt/lists/* && install --directory --owner=redis --group=redis /data
VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["setpriv", "--reuid=redis", "--regid=redis", "--clear-groups", "--"]
CMD ["redis-server"]
