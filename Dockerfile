# The image of evpnd, and those of the nodes of its labs. "make images" builds
# them all from bin/evpnd and bin/evpnctl:
#
#   evpnd  evpnd and evpnctl, and nothing else
#   vtep   the same beside iproute2, ping and a shell: a host that runs evpnd
#   frr    a host that runs FRR
#   host   a host that runs nothing
#
# BASE is a Debian or Ubuntu. What it has of the packages below is not
# installed, so with all of them in it nothing is fetched.
ARG BASE=debian:12-slim

FROM ${BASE} AS base
RUN dpkg -s iproute2 iputils-ping libcap2-bin >/dev/null 2>&1 || \
	{ apt-get update && apt-get install -y --no-install-recommends iproute2 iputils-ping libcap2-bin && rm -rf /var/lib/apt/lists/*; }

# A user that is not root has no capabilities by itself: it gets them with the
# file, as far as the container has them.
FROM base AS files
COPY bin/evpnd bin/evpnctl /files/usr/local/bin/
RUN setcap cap_net_admin,cap_net_raw,cap_net_bind_service+ep /files/usr/local/bin/evpnd && \
	mkdir -p /files/etc/evpnd /files/run/evpnd /files/var/lib/evpnd && \
	chown 65532:65532 /files/run/evpnd /files/var/lib/evpnd

FROM base AS host
CMD ["sleep", "infinity"]

FROM base AS vtep
COPY --from=files /files/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/evpnd"]
CMD ["--config", "/etc/evpnd/evpnd.yaml"]

FROM base AS frr
RUN dpkg -s frr >/dev/null 2>&1 || \
	{ apt-get update && apt-get install -y --no-install-recommends frr && rm -rf /var/lib/apt/lists/*; }
COPY test/containerlab/start-frr /usr/local/sbin/
CMD ["start-frr"]

FROM scratch AS evpnd
COPY --from=files /files/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/evpnd"]
CMD ["--config", "/etc/evpnd/evpnd.yaml"]
