#!/bin/sh
# Runs one Kafka broker in the foreground: the one way to start it, for `./dev kafka`, the tests and the benches.
#
#   broker.sh LIBS DIR PORT CONTROLLER_PORT          until it is told to stop (becomes the Java process)
#   broker.sh --tied LIBS DIR PORT CONTROLLER_PORT   until its standard input closes; then kills it and removes DIR
#
# The second form is for tests: a pipe closes however its owner ends, kill -9 included, so no broker outlives its test.
# LIBS holds Kafka's jars; a class-data archive beside it, kafka.jsa, is used if there is one, and written at the end if
# KAFKA_ARCHIVE=write. KAFKA_PROPERTIES names a file of more properties, which win.
# KAFKA_SCRAM is a user for SCRAM, as `kafka-storage format --add-scram` takes it. DIR keeps properties, data and `pid`. KAFKA_JVM overrides the options of the Java machine.
# Listens on 127.0.0.1 only.
set -eu

tied=no
if [ "$1" = --tied ]; then
    tied=yes
    shift
fi
libs=$1 dir=$2 port=$3 controller_port=$4
here=$(cd "$(dirname "$0")" && pwd)

# 16 bytes in base64, always the same: a data folder stays usable from one start to the next.
cluster_id=bW9tZW50cy1kZXYtMDAwMQ

mkdir -p "$dir"
{
    cat "$here/server.properties"
    echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port"
    echo "controller.quorum.voters=1@127.0.0.1:$controller_port"
    echo "log.dirs=$dir/data"
    [ -z "${KAFKA_PROPERTIES:-}" ] || cat "$KAFKA_PROPERTIES"
} >"$dir/server.properties"

archive=${libs%/*}/kafka.jsa
java_with_kafka() {
    # Word splitting is meant: the options are a list.
    # shellcheck disable=SC2086
    exec java ${KAFKA_JVM:--Xms128m -Xmx256m -XX:TieredStopAtLevel=1} -XX:+UseSerialGC \
        -Xshare:auto -Xlog:disable -Xlog:all=error:stderr "$class_data=$archive" \
        -Dlog4j2.configurationFile="file:$here/log4j2.properties" \
        -cp "$libs/*" "$@"
}

class_data=-XX:SharedArchiveFile
(java_with_kafka kafka.tools.StorageTool format \
    --cluster-id "$cluster_id" --config "$dir/server.properties" --ignore-formatted \
    ${KAFKA_SCRAM:+--add-scram "$KAFKA_SCRAM"})
[ "${KAFKA_ARCHIVE:-read}" = read ] || class_data=-XX:ArchiveClassesAtExit

if [ "$tied" = no ]; then
    echo $$ >"$dir/pid"
    java_with_kafka kafka.Kafka "$dir/server.properties"
fi

trap 'rm -rf "$dir"' EXIT
# A background command's standard input is /dev/null: keep the pipe under another number.
exec 3<&0
(
    while read -r _ <&3; do :; done
    rm -f "$dir/again"
    kill -9 "$(cat "$dir/pid")" 2>/dev/null
) &
watcher=$!
# Whoever kills it and makes a file `again` has it started once more, with what it had written.
while :; do
    (java_with_kafka kafka.Kafka "$dir/server.properties") &
    broker=$!
    echo "$broker" >"$dir/pid"
    wait "$broker" || true
    [ -e "$dir/again" ] || break
    rm -f "$dir/again"
done
kill "$watcher" 2>/dev/null || true
