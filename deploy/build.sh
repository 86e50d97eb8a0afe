#!/bin/sh
# Builds the image without a daemon, with buildah.
#
#   deploy/build.sh [TAG] [-- more words for buildah build]
#
# TAG: as the image is called, by default tidegate:<version of pyproject.toml>. In the environment:
#   BASE     the image to build on, with Python 3.11 or newer as python3, and its venv module; best by digest
#   ARCHIVE  also write an OCI archive to this file
set -eu
cd "$(dirname "$0")/.."

if ! command -v buildah >/dev/null 2>&1; then
    echo "build.sh: buildah is missing: apt-get install buildah, or build deploy/Dockerfile with what you have:" >&2
    echo "    docker build -f deploy/Dockerfile -t tidegate ." >&2
    exit 2
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
tag="tidegate:$version"
if [ $# -gt 0 ] && [ "$1" != "--" ]; then
    tag=$1
    shift
fi
if [ "${1:-}" = "--" ]; then
    shift
fi

set -- --file deploy/Dockerfile --tag "$tag" --format oci "$@"
if [ -n "${BASE:-}" ]; then
    set -- --build-arg "BASE=$BASE" "$@"
fi
buildah build "$@" .
if [ -n "${ARCHIVE:-}" ]; then
    buildah push "$tag" "oci-archive:$ARCHIVE:$tag"
fi
echo "built $tag"
