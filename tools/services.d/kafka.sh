# kafka.sh - one Kafka broker in KRaft mode on 127.0.0.1.  Sourced by tools/services.

kafka_properties() {
    cat <<-END
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:$2
	listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
	advertised.listeners=PLAINTEXT://127.0.0.1:$1
	controller.listener.names=CONTROLLER
	broker.session.timeout.ms=3000
	broker.heartbeat.interval.ms=500
	log.dirs=$run/kafka/data
	num.partitions=1
	offsets.topic.replication.factor=1
	offsets.topic.num.partitions=4
	transaction.state.log.replication.factor=1
	transaction.state.log.min.isr=1
	transaction.state.log.num.partitions=4
	share.coordinator.state.topic.replication.factor=1
	share.coordinator.state.topic.min.isr=1
	group.initial.rebalance.delay.ms=0
	log.retention.hours=-1
	log.segment.bytes=268435456
	END
}

kafka_start() {
    local port controller dir="$run/kafka"
    fetch_jars kafka
    port=$(port_of kafka kafka 19092)
    controller=$(port_of kafka kafka-controller 19093)
    export CLASSPATH="$home/lib/kafka/*"
    kafka_properties "$port" "$controller" >"$dir/server.properties"
    if [ ! -s "$dir/data/meta.properties" ]; then
        java -Xmx128m kafka.tools.StorageTool format -t UmF1ZGFsS2Fma2FUZXN0MQ \
            -c "$dir/server.properties" >"$dir/format.log" 2>&1 ||
            die "could not format Kafka's storage; see $dir/format.log"
    fi
    in_background kafka java -Xms128m "-Xmx${RAUDAL_KAFKA_MEMORY:-512m}" -XX:+UseG1GC \
        "-Dlog4j2.configurationFile=$here/services.d/kafka-log4j2.xml" \
        kafka.Kafka "$dir/server.properties"
    wait_ready kafka 60
}

kafka_ready() { grep -q 'Kafka Server started' "$run/kafka/log"; }

kafka_env() { echo "export RAUDAL_KAFKA=127.0.0.1:$(port_of kafka kafka 19092)"; }
