# common.sh - what the services share: where they lie, ports, processes, waiting.  Sourced.
#
#   $home/lib/NAME/        jars, fetched once and checked; `make clean` leaves them
#   $run/NAME/             one service: port, pid, log, its configuration and data
#
# A service NAME (its dashes as underscores in functions) gives
#   NAME_start    starts it in the background and writes $run/NAME/pid
#   NAME_ready    0 when it answers; asked again until wait_ready's limit
#   NAME_env      export lines for its users
# and may give NAME_halt, an orderly stop of its own; TERM is the default.

say() { echo "services: $*" >&2; }
die() { say "$@"; exit 3; }

fn() { echo "${1//-/_}"; }

port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# port_of NAME WHAT DEFAULT: the port chosen before, or $RAUDAL_<WHAT>_PORT, or the default, or,
# when somebody listens there, the next free one.  Kept in a file: a restart has the same port.
port_of() {
    local file="$run/$1/$2.port" asked port
    if [ ! -s "$file" ]; then
        asked="RAUDAL_$(echo "$2" | tr 'a-z-' 'A-Z_')_PORT"
        port=${!asked:-}
        if [ -z "$port" ]; then
            port=$3
            until port_is_free "$port"; do port=$((port + 10)); done
        fi
        mkdir -p "$run/$1"
        echo "$port" >"$file"
    fi
    cat "$file"
}

# is_up NAME: its process lives, and is the one that was started (a pid may be used again).
is_up() {
    local file="$run/$1/pid" pid born
    [ -s "$file" ] || return 1
    read -r pid born <"$file"
    [ -r "/proc/$pid/stat" ] && [ "$(birth_of "$pid")" = "$born" ]
}
birth_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
remember_pid() { echo "$2 $(birth_of "$2")" >"$run/$1/pid"; }

# in_background NAME COMMAND…: a process of its own session; output to $run/NAME/log.
in_background() {
    local name=$1
    shift
    : >"$run/$name/log"
    setsid "$@" >>"$run/$name/log" 2>&1 </dev/null 9>&- &
    remember_pid "$name" $!
}

wait_ready() { # wait_ready NAME SECONDS
    local end=$((SECONDS + $2))
    until "$(fn "$1")_ready"; do
        is_up "$1" || { tail -n 20 "$run/$1/log" >&2; die "$1 ended while it started; see $run/$1/log"; }
        [ "$SECONDS" -lt "$end" ] || die "$1 was not ready after $2 s; see $run/$1/log"
        sleep 0.1
    done
}

wait_gone() { # wait_gone NAME SECONDS: else it is killed
    local end=$((SECONDS + $2)) pid
    read -r pid _ <"$run/$1/pid"
    while is_up "$1" && [ "$SECONDS" -lt "$end" ]; do sleep 0.1; done
    ! is_up "$1" || kill -KILL "$pid"
    rm -f "$run/$1/pid"
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || die "\"$tool\" is missing; tools/deps --test installs it"
    done
}

# fetch_jars NAME: by tools/services.d/NAME.pom.xml, checked against NAME.sha256.
fetch_jars() {
    local lib="$home/lib/$1" new="$home/lib/$1.new" lock="$here/services.d/$1.sha256"
    if [ -s "$lib/checked" ] && cmp -s "$lib/checked" "$lock"; then return; fi
    need java mvn
    exec 8>"$home/lib/.$1.lock"
    flock 8
    if [ -s "$lib/checked" ] && cmp -s "$lib/checked" "$lock"; then exec 8>&-; return; fi
    say "fetching $1 from Maven Central"
    rm -rf "$new"
    mkdir -p "$new"
    cp "$here/services.d/$1.pom.xml" "$new/pom.xml"
    mvn -B -q -f "$new/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$new" >&2 || die "could not fetch $1"
    (cd "$new" && sha256sum --check --quiet --strict "$lock") >&2 ||
        die "$1: a jar is not what $lock says"
    cp "$lock" "$new/checked"
    rm -rf "$lib"
    mv "$new" "$lib"
    exec 8>&-
}

