# Elexgate's images: "gate" (proxy, console, the command) and "keeper" (the same and what backups need). See docs/docker.md.
#
#   docker build --target gate -t elexgate:gate .
#   docker build --target keeper -t elexgate:keeper .
#
# DEBIAN is any image of Debian 13, for a database of MariaDB 11.8, or of Debian 12 (debian:bookworm-slim), for 10.11: the keeper's
# mariadbd has to be of its series. SOURCE_DATE_EPOCH is the date of the files that are made here, REVISION the commit.
ARG DEBIAN=docker.io/library/debian:trixie-slim

FROM ${DEBIAN} AS build
WORKDIR /src
COPY scripts/packages scripts/deps scripts/
RUN scripts/deps build
COPY . .
ARG SOURCE_DATE_EPOCH
# The packages that the programs' libraries are in, by the names of this Debian.
RUN meson setup /build --prefix=/usr --buildtype=release -Db_lto=true -Dtests=false \
    && ninja -C /build \
    && DESTDIR=/dest meson install -C /build --no-rebuild --strip \
    && rm -rf /dest/usr/share/doc /dest/usr/share/man /dest/usr/lib/systemd /dest/usr/lib/sysusers.d /dest/usr/lib/tmpfiles.d \
    && install -D -m 755 docker/entrypoint docker/healthcheck docker/database -t /dest/usr/libexec/elexgate \
    && install -D -m 755 scripts/sbom -t /dest/usr/libexec/elexgate \
    && install -D -m 644 docker/elexgate.ini -t /dest/usr/share/elexgate/docker \
    && find /dest/usr/bin /dest/usr/libexec/elexgate -name 'elexgate*' -exec ldd {} + | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | xargs readlink -f \
        | xargs dpkg -S | cut -d : -f 1 | sort -u >/dest/usr/share/elexgate/docker/libraries \
    && scripts/sbom parts . >/dest/usr/share/elexgate/docker/sbom.parts

FROM ${DEBIAN} AS gate
COPY --from=build /dest/usr/share/elexgate/docker/libraries /usr/share/elexgate/docker/
# The numbers are fixed, as volumes outlive images. mysql has the one of the official MariaDB image.
RUN apt-get update \
    && xargs apt-get install -y --no-install-recommends ca-certificates tzdata </usr/share/elexgate/docker/libraries \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/ldconfig/aux-cache /var/log/* \
    && groupadd -g 999 mysql && groupadd -g 3312 elexgate && groupadd -g 3313 elexgate-console && groupadd -g 3314 elexgate-tls \
    && groupadd -g 3316 elexgate-keeper && useradd -M -u 3316 -g elexgate-keeper -d / -s /usr/sbin/nologin elexgate-keeper \
    && groupadd -g 3315 elexgate-trial && useradd -M -u 3315 -g elexgate-trial -d / -s /usr/sbin/nologin elexgate-trial \
    && useradd -M -u 999 -g mysql -s /usr/sbin/nologin mysql \
    && useradd -M -u 3312 -g elexgate -G elexgate-tls -s /usr/sbin/nologin elexgate \
    && useradd -M -u 3313 -g elexgate-console -s /usr/sbin/nologin elexgate-console \
    && install -d -m 755 /etc/elexgate /etc/elexgate/tls /var/lib/elexgate /var/log/elexgate \
    && install -d -m 750 -o elexgate -g elexgate /var/log/elexgate-proxy \
    && install -d -m 755 /run/elexgate /run/elexgate/keeper \
    && install -d -m 755 -o elexgate -g elexgate /run/elexgate/proxy \
    && install -d -m 700 -o elexgate -g elexgate /var/lib/elexgate/proxy \
    && install -d -m 700 -o elexgate-console -g elexgate-console /var/lib/elexgate/console /var/lib/elexgate/uploads \
    && install -d -m 700 /var/lib/elexgate/keeper && install -d -m 711 /backup \
    && install -d -m 755 /run/elexgate-hold
COPY --from=build /dest /
ARG SOURCE_DATE_EPOCH
RUN /usr/libexec/elexgate/sbom image elexgate:gate /usr/share/elexgate/docker/sbom.parts >/usr/share/elexgate/sbom.spdx.json
ARG REVISION
LABEL org.opencontainers.image.title="Elexgate" \
    org.opencontainers.image.description="TLS, backups and restores for the database of Elexis" \
    org.opencontainers.image.url="https://elexis.info" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.revision="$REVISION"
# What the doctor advises is then for the machine outside.
ENV ELEXGATE_CONTAINER=1
USER elexgate
EXPOSE 3312
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/usr/libexec/elexgate/healthcheck"]
ENTRYPOINT ["/usr/libexec/elexgate/entrypoint"]
CMD ["elexgate-proxy"]

# Root, with the capabilities that docker-compose.yaml leaves it: it copies the database's files and puts them back.
FROM gate AS keeper
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends mariadb-client mariadb-server-core nano \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
    && /usr/libexec/elexgate/sbom image elexgate:keeper /usr/share/elexgate/docker/sbom.parts >/usr/share/elexgate/sbom.spdx.json
LABEL org.opencontainers.image.title="Elexgate keeper"
CMD ["elexgate-keeper"]

# What `docker build` without --target makes.
FROM gate
