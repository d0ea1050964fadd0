#!/bin/sh
# Build the peer into a directory: build.sh DIR; needs a JDK of 17 or newer and Maven.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
mkdir -p "$1"
into=$(CDPATH= cd -- "$1" && pwd)
mvn --quiet --batch-mode --file "$here/pom.xml" -Dpeer.directory="$into" \
    compile dependency:copy-dependencies -DoutputDirectory="$into/lib" -DincludeScope=runtime
cat > "$into/run" <<RUN
#!/bin/sh
# The heap is bounded and held from the start, and an exhausted one ends the process; the rest is the JVM's default.
exec java -Xms512m -Xmx512m -XX:+ExitOnOutOfMemoryError -cp "$into/classes:$into/lib/*" peer.Peer
RUN
chmod +x "$into/run"
