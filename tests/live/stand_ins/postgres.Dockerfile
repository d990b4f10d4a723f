# For postgres:17.
ARG BASE
FROM $BASE
RUN mkdir /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update && apt-get install --yes --no-install-recommends postgresql-17 \
    && rm -rf /var/lib/apt/lists/*
COPY --chmod=755 postgres-entrypoint.sh /usr/local/bin/
ENV PATH=$PATH:/usr/lib/postgresql/17/bin PGDATA=/var/lib/postgresql/data
RUN install --directory --owner=postgres --group=postgres --mode=1777 "$PGDATA" \
    && install --directory --owner=postgres --group=postgres --mode=3777 /run/postgresql
VOLUME /var/lib/postgresql/data
# A fast shutdown: SIGTERM would wait for the clients.
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["postgres-entrypoint.sh"]
CMD ["postgres", "-c", "listen_addresses=*"]
