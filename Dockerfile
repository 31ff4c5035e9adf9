# Elexgate's images: "gate" (proxy, console, the command) and "keeper" (the same and what backups need). See docs/docker.md.
#
#   docker build --target gate -t elexgate:gate .
#   docker build --target keeper -t elexgate:keeper .
#
# DEBIAN is any image of Debian 12, or of 13 (debian:trixie-slim) for a database of MariaDB 11.8: the keeper's mariadbd has to be of its series.
ARG DEBIAN=docker.io/library/debian:bookworm-slim

FROM ${DEBIAN} AS build
WORKDIR /src
COPY scripts/packages scripts/deps scripts/
RUN scripts/deps build
COPY . .
RUN meson setup /build --prefix=/usr --buildtype=release -Db_lto=true -Dtests=false \
    && ninja -C /build \
    && DESTDIR=/dest meson install -C /build --no-rebuild --strip \
    && rm -rf /dest/usr/share/doc /dest/usr/share/man /dest/usr/lib/systemd /dest/usr/lib/sysusers.d /dest/usr/lib/tmpfiles.d \
    && install -D -m 755 docker/entrypoint docker/healthcheck docker/database -t /dest/usr/libexec/elexgate \
    && install -D -m 644 docker/elexgate.ini -t /dest/usr/share/elexgate/docker

FROM ${DEBIAN} AS gate
# The numbers are fixed, as volumes outlive images. mysql has the one of the official MariaDB image.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libarchive13 libcurl4 libgnutls30 libinih1 libisal2 libjansson4 \
        libmariadb3 libmicrohttpd12 liboath0 libqrencode4 libsodium23 libssl3 libsystemd0 libuv1 tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/log/* \
    && groupadd -g 999 mysql && groupadd -g 3312 elexgate && groupadd -g 3313 elexgate-console && groupadd -g 3314 elexgate-tls \
    && groupadd -g 3316 elexgate-keeper && useradd -M -u 3316 -g elexgate-keeper -d / -s /usr/sbin/nologin elexgate-keeper \
    && groupadd -g 3315 elexgate-trial && useradd -M -u 3315 -g elexgate-trial -d / -s /usr/sbin/nologin elexgate-trial \
    && useradd -M -u 999 -g mysql -s /usr/sbin/nologin mysql \
    && useradd -M -u 3312 -g elexgate -G elexgate-tls -s /usr/sbin/nologin elexgate \
    && useradd -M -u 3313 -g elexgate-console -G elexgate-tls -s /usr/sbin/nologin elexgate-console \
    && install -d -m 755 /etc/elexgate /etc/elexgate/tls /var/lib/elexgate /var/log/elexgate \
    && install -d -m 750 -o elexgate -g elexgate /var/log/elexgate-proxy \
    && install -d -m 755 /run/elexgate /run/elexgate/keeper \
    && install -d -m 755 -o elexgate -g elexgate /run/elexgate/proxy \
    && install -d -m 700 -o elexgate -g elexgate /var/lib/elexgate/proxy \
    && install -d -m 700 -o elexgate-console -g elexgate-console /var/lib/elexgate/console /var/lib/elexgate/uploads \
    && install -d -m 700 /var/lib/elexgate/keeper && install -d -m 711 /backup \
    && install -d -m 755 /run/elexgate-hold
COPY --from=build /dest /
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
    && apt-get install -y --no-install-recommends libcurl4 mariadb-client mariadb-server-core nano \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/log/apt /var/log/dpkg.log
CMD ["elexgate-keeper"]

# What `docker build` without --target makes.
FROM gate
