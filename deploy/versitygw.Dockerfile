# The S3 server of docker-compose.yml, built from source: MinIO's public images are frozen.

FROM golang:1.26-alpine AS build
ARG VERSION=v1.8.0
RUN CGO_ENABLED=0 go install github.com/versity/versitygw/cmd/versitygw@${VERSION}

FROM alpine:3.22
COPY --from=build /go/bin/versitygw /usr/local/bin/versitygw
# Metadata is stored in a folder beside the objects, because not every volume has extended attributes.
RUN adduser -S -u 10001 versitygw && mkdir -p /data/objects /data/metadata && chown -R 10001 /data
USER 10001
VOLUME /data
EXPOSE 7070
ENV VGW_HEALTH=/health
ENTRYPOINT ["versitygw"]
CMD ["--port", ":7070", "--quiet", "posix", "--sidecar", "/data/metadata", "/data/objects"]
