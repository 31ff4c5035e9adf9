#!/bin/bash
# Stands in for the official MariaDB image's entrypoint where no registry can be reached: as much of it as elexis-oob and ours use.
# MYSQL_ROOT_PASSWORD(_FILE), MYSQL_ROOT_HOST, MYSQL_DATABASE for an empty folder; MARIADB_AUTO_UPGRADE for an older one.
set -euo pipefail
data=/var/lib/mysql socket=/run/mysqld/mysqld.sock
case ${1:-} in -* | '') set -- mariadbd "$@" ;; esac
[ "$1" = mariadbd ] || [ "$1" = mysqld ] || exec "$@"
mkdir -p "$data" /run/mysqld
chown -R mysql: "$data" /run/mysqld
as_mysql() { setpriv --reuid=mysql --regid=mysql --init-groups "$@"; }
version=$(mariadbd --version | grep -oE '[0-9]+\.[0-9]+' | head -n 1)

temporary() { # OPTIONS...: a server that nobody can reach
    # No function here: TERM has to reach the server itself.
    setpriv --reuid=mysql --regid=mysql --init-groups mariadbd --skip-networking --socket="$socket" "$@" &
    server=$!
    until mariadb-admin --socket="$socket" ping >/dev/null 2>&1; do kill -0 $server; sleep 0.2; done
}

if [ ! -d "$data/mysql" ]; then
    password=${MYSQL_ROOT_PASSWORD:-$(head -n 1 "${MYSQL_ROOT_PASSWORD_FILE:?}")}
    host=${MYSQL_ROOT_HOST:-%}
    as_mysql mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db "${@:2}" >/dev/null
    temporary "${@:2}"
    {
        [ "$host" = localhost ] || echo "CREATE USER root@'$host' IDENTIFIED BY '$password'; GRANT ALL ON *.* TO root@'$host' WITH GRANT OPTION;"
        [ -z "${MYSQL_DATABASE:-}" ] || echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;"
        echo "ALTER USER root@localhost IDENTIFIED BY '$password';"
    } | mariadb --socket="$socket" -uroot
    kill $server && wait $server
    echo "$version.0-MariaDB" >"$data/mysql_upgrade_info"
elif [ "${MARIADB_AUTO_UPGRADE:-0}" = 1 ] && [ "$(grep -oE '^[0-9]+\.[0-9]+' "$data/mysql_upgrade_info" 2>/dev/null)" != "$version" ]; then
    temporary --skip-grant-tables --skip-slave-start "${@:2}"
    mariadb-upgrade --socket="$socket" --upgrade-system-tables >/dev/null
    kill $server && wait $server
    echo "$version.0-MariaDB" >"$data/mysql_upgrade_info"
fi
unset MYSQL_ROOT_PASSWORD
exec setpriv --reuid=mysql --regid=mysql --init-groups "$@"
