# cassandra.sh - Cassandra 5.0 on 127.0.0.1, one node: "cassandra" plain, "cassandra-tls" with TLS
# and passwords.  Sourced by tools/services.
#
# The TLS node's folder holds tls/ca.pem, client.pem and client.key (signed by it), stranger.pem and
# stranger.key (signed by another, strange-ca.pem): what clients and their failures need.  A client
# certificate is asked for if RAUDAL_CASSANDRA_CLIENT_AUTH=true when the node starts.

cassandra_options() {
    local name
    for name in java.base/jdk.internal.misc java.base/java.lang.ref java.rmi/sun.rmi.registry \
        java.rmi/sun.rmi.server java.management.rmi/com.sun.jmx.remote.internal.rmi \
        java.sql/java.sql java.base/sun.nio.ch jdk.unsupported/sun.misc; do
        echo "--add-exports=$name=ALL-UNNAMED"
    done
    for name in java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref \
        java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module \
        java.base/jdk.internal.util.jar jdk.management/com.sun.management.internal \
        java.base/sun.nio.ch java.base/java.io java.base/java.lang java.base/java.lang.reflect \
        java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic \
        java.base/java.nio java.rmi/sun.rmi.transport.tcp; do
        echo "--add-opens=$name=ALL-UNNAMED"
    done
    # No waiting for a ring: there is one node.
    printf -- '-Dcassandra.%s\n' skip_wait_for_gossip_to_settle=0 ring_delay_ms=0 \
        superuser_setup_delay_ms=0 load_ring_state=false
    echo "-Djdk.attach.allowAttachSelf=true"
    echo "-Dcassandra-foreground=yes"
}

cassandra_yaml() { # cassandra_yaml NAME NATIVE_PORT STORAGE_PORT
    cat <<-END
	cluster_name: raudal
	num_tokens: 1
	initial_token: 0
	auto_bootstrap: false
	partitioner: org.apache.cassandra.dht.Murmur3Partitioner
	endpoint_snitch: SimpleSnitch
	seed_provider:
	  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
	    parameters: [{seeds: "127.0.0.1:$3"}]
	listen_address: 127.0.0.1
	storage_port: $3
	rpc_address: 127.0.0.1
	start_native_transport: true
	native_transport_port: $2
	commitlog_sync: batch
	memtable_heap_space: 64MiB
	memtable_offheap_space: 64MiB
	file_cache_size: 32MiB
	key_cache_size: 8MiB
	user_defined_functions_enabled: false
	materialized_views_enabled: false
	END
    [ "$1" != cassandra-tls ] || cat <<-END
	authenticator: PasswordAuthenticator
	authorizer: CassandraAuthorizer
	role_manager: CassandraRoleManager
	client_encryption_options:
	  enabled: true
	  optional: false
	  keystore: $run/$1/tls/server.p12
	  keystore_password: raudal
	  store_type: PKCS12
	  require_client_auth: ${RAUDAL_CASSANDRA_CLIENT_AUTH:-false}
	  truststore: $run/$1/tls/trust.p12
	  truststore_password: raudal
	END
}

cassandra_logback() {
    cat <<-'END'
	<configuration>
	  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
	    <encoder><pattern>%d %-5level [%thread] %logger{0} %msg%n</pattern></encoder>
	  </appender>
	  <root level="INFO"><appender-ref ref="out"/></root>
	</configuration>
	END
}

tls_signed() { # tls_signed CA NAME SUBJECT ALTERNATIVE_NAMES: NAME.key, NAME.pem
    openssl req -newkey rsa:2048 -nodes -keyout "$2.key" -subj "/CN=$3" -out "$2.csr"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 3650 \
        -extfile <(echo "subjectAltName=$4") -out "$2.pem"
}

tls_ca() { # tls_ca NAME
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 3650 \
        -subj "/CN=raudal test $1" -addext basicConstraints=critical,CA:TRUE
}

tls_create() { # in the folder it fills
    tls_ca ca
    tls_ca strange-ca
    tls_signed ca server localhost "DNS:localhost,IP:127.0.0.1"
    tls_signed ca client raudal "DNS:client.invalid"
    tls_signed strange-ca stranger stranger "DNS:stranger.invalid"
    openssl pkcs12 -export -in server.pem -inkey server.key -certfile ca.pem -name server \
        -passout pass:raudal -out server.p12
    keytool -importcert -noprompt -alias ca -file ca.pem -keystore trust.p12 -storetype PKCS12 \
        -storepass raudal
}

cassandra_tls_files() {
    local dir="$run/cassandra-tls/tls"
    [ ! -s "$dir/trust.p12" ] || return 0
    need openssl keytool
    mkdir -p "$dir"
    (cd "$dir" && tls_create) >"$dir/log" 2>&1 || die "could not make certificates; see $dir/log"
}

cassandra_run() { # cassandra_run NAME PORT
    local dir="$run/$1" options
    fetch_jars cassandra
    cassandra_yaml "$1" "$2" "$(port_of "$1" "$1-storage" "$3")" >"$dir/cassandra.yaml"
    cassandra_logback >"$dir/logback.xml"
    mapfile -t options < <(cassandra_options)
    export CLASSPATH="$home/lib/cassandra/*"
    in_background "$1" java "-Xms256m" "-Xmx${RAUDAL_CASSANDRA_MEMORY:-512m}" -XX:+UseG1GC \
        "${options[@]}" "-javaagent:$home/lib/cassandra/jamm-0.4.0.jar" \
        "-Dcassandra.config=file://$dir/cassandra.yaml" "-Dcassandra.storagedir=$dir/data" \
        "-Dlogback.configurationFile=$dir/logback.xml" \
        org.apache.cassandra.service.CassandraDaemon
    wait_ready "$1" 120
}

cassandra_start() { cassandra_run cassandra "$(port_of cassandra cassandra 19042)" 17000; }
cassandra_tls_start() {
    cassandra_tls_files
    cassandra_run cassandra-tls "$(port_of cassandra-tls cassandra-tls 19142)" 17100
}

cassandra_ready() { grep -q 'Starting listening for CQL clients' "$run/cassandra/log"; }

# The superuser is made once, in the first start's background.
cassandra_tls_ready() {
    local dir="$run/cassandra-tls"
    grep -q 'Starting listening for CQL clients' "$dir/log" || return 1
    [ -e "$dir/superuser" ] && return 0
    grep -q 'Created default superuser role' "$dir/log" && touch "$dir/superuser"
}

cassandra_env() { echo "export RAUDAL_CASSANDRA=127.0.0.1:$(port_of cassandra cassandra 19042)"; }
cassandra_tls_env() {
    echo "export RAUDAL_CASSANDRA_TLS=127.0.0.1:$(port_of cassandra-tls cassandra-tls 19142)"
    echo "export RAUDAL_CASSANDRA_TLS_DIR=$run/cassandra-tls/tls"
    echo "export RAUDAL_CASSANDRA_TLS_USER=cassandra RAUDAL_CASSANDRA_TLS_PASSWORD=cassandra"
}
