#!/bin/sh
# What the published image does with POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD at the first start.
# Like there, the server that creates the database can be reached through its Unix socket only.
set -e
if [ "$(id -u)" = 0 ]; then
    install --directory --owner=postgres --group=postgres --mode=700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?must be set}" "${POSTGRES_USER:=postgres}"
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="$POSTGRES_USER" --pwfile=/tmp/password
    rm /tmp/password
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    pg_ctl --wait --options="-c listen_addresses=''" start
    createdb --username="$POSTGRES_USER" "${POSTGRES_DB:-$POSTGRES_USER}"
    pg_ctl --wait --mode=fast stop
fi
exec "$@"
