#!/bin/sh
# Builds a release: a page, and an image that can try it. Needs docker and a static busybox.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/release"
cp /bin/busybox "$root/bin/busybox"
for tool in sh grep sha256sum cut; do ln -s busybox "$root/bin/$tool"; done

page="{\"version\": \"$VERSION\", \"name\": \"fleet\"}"
printf '%s' "$page" >"$root/release/release.json"
cat >"$root/bin/try" <<'END'
#!/bin/sh
# Runs in the container: is the page what it says, and what is its checksum?
grep -q '"version": "[0-9.]*"' /release/release.json || { echo "the page has no version" >&2; exit 1; }
sha256sum /release/release.json >"$GORCH_WORK/release.sha256"
echo "checksum=$(cut -d' ' -f1 "$GORCH_WORK/release.sha256")"
END
chmod +x "$root/bin/try"
tar -C "$root" -c . | docker import --change 'CMD ["/bin/try"]' - "gorch-fleet:$VERSION" >&2

mkdir -p fleet
cp "$root/release/release.json" fleet/release.json
echo "page=$page"
