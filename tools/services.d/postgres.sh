# postgres.sh - PostgreSQL 15 on 127.0.0.1, database and superuser "raudal".  Sourced by
# tools/services.
#
# It refuses root: then it runs as the user "postgres", who must be able to enter its folder; if
# he cannot (a checkout under /root), its folder lies in /tmp and $run/postgres/at names it.

pg_bin=${RAUDAL_POSTGRES_BIN:-/usr/lib/postgresql/15/bin}

pg_as() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

pg_folder() {
    local at
    mkdir -p "$run/postgres"
    if [ ! -s "$run/postgres/at" ]; then
        at="$run/postgres"
        if ! pg_as test -x "$at"; then
            at=$(mktemp -d "${TMPDIR:-/tmp}/raudal-postgres.XXXXXX")
            chmod 755 "$at"
        fi
        echo "$at" >"$run/postgres/at"
    fi
    cat "$run/postgres/at"
}

pg_create() { # pg_create FOLDER
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$1/data" "$1/socket" && chown postgres:postgres "$1/data" "$1/socket"
    else
        mkdir -p "$1/data" "$1/socket"
    fi
    if [ -s "$1/data/PG_VERSION" ]; then return; fi
    (cd "$1/data" && pg_as "$pg_bin/initdb" -D "$1/data" -U raudal -A trust -E UTF8 \
        --locale=C.UTF-8) >"$run/postgres/initdb.log" 2>&1 ||
        die "could not create a PostgreSQL cluster; see $run/postgres/initdb.log"
}

postgres_start() {
    local at port
    [ -x "$pg_bin/postgres" ] || die "PostgreSQL 15 is missing in $pg_bin; tools/deps --test installs it"
    port=$(port_of postgres postgres 15432)
    at=$(pg_folder)
    pg_create "$at"
    touch "$run/postgres/log"
    pushd "$at/data" >/dev/null
    in_background postgres $([ "$(id -u)" != 0 ] || echo setpriv --reuid=postgres \
        --regid=postgres --clear-groups) "$pg_bin/postgres" -D "$at/data" -p "$port" \
        -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$at/socket" \
        -c max_prepared_transactions=8
    popd >/dev/null
    wait_ready postgres 30
    "$pg_bin/psql" -qAtX -h 127.0.0.1 -p "$port" -U raudal -d postgres -c \
        "SELECT 'CREATE DATABASE raudal' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'raudal')" |
        "$pg_bin/psql" -qX -h 127.0.0.1 -p "$port" -U raudal -d postgres
}

postgres_ready() {
    "$pg_bin/psql" -qAtX -h 127.0.0.1 -p "$(port_of postgres postgres 15432)" -U raudal \
        -d postgres -c 'SELECT 1' >/dev/null 2>&1
}

# INT is the fast stop: connections are ended, the last checkpoint is made.
postgres_halt() { kill -INT "$1"; }

postgres_env() {
    echo "export RAUDAL_POSTGRES=postgres://raudal@127.0.0.1:$(port_of postgres postgres 15432)/raudal"
}
