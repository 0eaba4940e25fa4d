#!/bin/sh
# Pins the base images by digest, in place: sh deploy/pin-images.sh (needs docker and a way to its registry).
# Run it again for newer ones: what is pinned is looked up anew by its tag. Then read the diff, build, commit.
set -eu
cd "$(dirname "$0")/.."

pin() { # file, image:tag
  digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$2")
  case $digest in sha256:*) ;; *) echo "no digest of $2" >&2; exit 1 ;; esac
  sed -i.before -E "s#^(FROM |    image: )$2(@sha256:[0-9a-f]+)?( |\$)#\1$2@$digest\3#" "$1"
  rm "$1.before"
}

for file in deploy/Dockerfile deploy/sandbox.Dockerfile docker-compose.yml; do
  sed -nE 's#^(FROM |    image: )([a-z/-]+:[^@ ]+).*#\2#p' "$file" | sort -u | while read -r image; do
    pin "$file" "$image"
  done
done
