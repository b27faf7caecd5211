#!/bin/sh
# Makes stand-ins for all images that docker-compose.temporal.yml and Dockerfile name, under the same tags, on a machine
# that cannot pull them. Needs root, debootstrap, a container engine, and Debian's, PyPI's and npm's registries.
set -eu
cd "$(dirname "$0")"
release=bookworm
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if ! docker image inspect stand-in-debian > /dev/null 2>&1; then
  debootstrap --variant=minbase --include=ca-certificates,netcat-openbsd "$release" "$folder/root" > "$folder/log" || {
    tail "$folder/log"
    exit 1
  }
  tar -C "$folder/root" -c . | docker import - stand-in-debian > /dev/null
fi

mkdir "$folder/context"
cp Dockerfile ./*.sh "$folder/context"
cp /etc/ssl/certs/ca-certificates.crt "$folder/context"
chmod -R a+rX "$folder/context"
chmod a+x "$folder/context/temporal-sql-tool.sh"

# "image: NAME:TAG" of the Compose file and "FROM NAME:TAG" of the Dockerfile.
for image in $(sed -nE 's/^ +image: ([a-z/-]+:[0-9][^ ]*)$/\1/p; s/^FROM ([a-z]+:[^ ]+).*/\1/p' \
  ../../docker-compose.temporal.yml ../../Dockerfile | sort -ru); do
  case "$image" in
    temporalio/*) target=temporal-${image#temporalio/} ;;
    *) target=$image ;;
  esac
  echo "$image"
  docker build -q --label stand-in="a stand-in" --target "${target%%:*}" --tag "$image" "$folder/context"
done
