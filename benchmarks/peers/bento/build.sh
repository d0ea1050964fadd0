#!/bin/sh
# Build the peer into a directory: build.sh DIR; needs Go of 1.26 or newer.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
into=$(CDPATH= cd -- "$1" && pwd)
PATH="$PATH:/usr/local/go/bin"
go build -C "$here" -trimpath -o "$into/bento" .
cp "$here/pipeline.yaml" "$into/pipeline.yaml"
cat > "$into/run" <<RUN
#!/bin/sh
exec "$into/bento" --config "$into/pipeline.yaml"
RUN
chmod +x "$into/run"
