#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what is missing on Debian 12: for `make demo` with the word "demo", for the whole kernel
# matrix with "vm", for the corpus with "corpus", for the long tests with "long", else for all that
# `make check` runs.
set -eu

build="gcc make clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libjson-c-dev libzstd-dev
	uthash-dev libcap-ng-dev libmicrohttpd-dev libcurl4-gnutls-dev librdkafka-dev libncurses-dev"
demo="redis-server python3 python3-redis"
test="libcmocka-dev clang-format libclang-rt-14-dev python3-aioredis redis-tools util-linux iproute2
	libhiredis-dev libpq-dev python3-jsonschema prometheus tmux systemtap-sdt-dev"
# Guests: the emulator, what boot images are packed with, and a shell.
guest="qemu-system-x86 lz4 zstd busybox-static"
arm64="qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
# The corpus: real clients, and the servers they talk to.
corpus="memcached mariadb-server openssl python3-aiohttp python3-aiomysql
	python3-eventlet python3-gevent python3-pymemcache python3-trio lua5.1 lua-redis lua-socket
	ruby ruby-connection-pool php-cli php-predis
	golang-go rustc cargo librust-tokio-dev openjdk-17-jdk-headless"
# Of these, what only the correct clients need.
corpus="$corpus curl libredis-fast-perl nginx-light php-redis postgresql python3-aiopg
	python3-asyncpg python3-h2 python3-ldap python3-psycopg python3-psycopg-pool
	python3-psycopg2 python3-requests python3-uvloop python3-websockets ruby-dalli"
# Stock relays that nobody may accuse, beside what the corpus brings, and those of `make check-long`.
field="haproxy pgbouncer python3-pymysql squid"
spared="apache2-bin openssh-client openssh-server redis-sentinel socat stunnel4 tinyproxy varnish"
# Node brings an npm along where it does not come from Debian.
command -v node >/dev/null || corpus="$corpus nodejs"
command -v npm >/dev/null || corpus="$corpus npm"
npm="ioredis@5.4.1 pg@8.13.1"

case "${1:-}" in
demo) want="$build $demo" ;;
vm) want="$build $demo $test $guest $arm64" ;;
corpus) want="$build $demo $test $corpus" ;;
long) want="$build $demo $test $corpus $guest $field $spared" ;;
*) want="$build $demo $test $corpus $guest $field" ;;
esac

missing=
for package in $want; do
	dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
		missing="$missing $package"
done

# Clients that are not in Debian. Without a network their rows are skipped.
node_clients() {
	case "${1:-}" in demo | vm) return 0 ;; esac
	home="${XDG_CACHE_HOME:-$HOME/.cache}/mispair/npm"
	stamp="$home/installed-$(echo "$npm" | tr -c 'a-z0-9.\n' -)"
	[ ! -e "$stamp" ] || return 0
	mkdir -p "$home"
	# shellcheck disable=SC2086 # a list of words
	if npm install --prefix "$home" --ignore-scripts --no-audit --no-fund --silent $npm; then
		: >"$stamp"
	else
		echo "install-deps: npm did not get $npm; their rows will be skipped" >&2
	fi
}

if [ -z "$missing" ]; then
	node_clients "$@"
	exit 0
fi

if [ "$(id -u)" != 0 ]; then
	echo "install-deps: not root, and these packages are missing:$missing" >&2
	exit 1
fi

# A server that is installed for a test need not be started on this host: the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT INT TERM
fi

echo "install-deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
node_clients "$@"
