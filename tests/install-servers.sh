#!/bin/sh
# Installs the real servers that the contract tests start (Debian's packages), where we are root and they are missing.
# Not starting them is deliberate: each test starts its own on a free loopback port.
set -u
missing=""
for server in redis-server rabbitmq-server prometheus; do
    # Debian keeps rabbitmq-server where only root looks.
    [ -x "/usr/sbin/$server" ] || command -v "$server" >/dev/null 2>&1 || missing="$missing $server"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing servers:$missing (install them to run their tests; with CI=true their tests fail)"
    exit 0
fi
echo "installing$missing"
# No service may start by itself on a shared port.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1
fi
apt-get update -qq >/dev/null
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
status=$?
[ -z "$made" ] || rm -f "$policy"
[ "$status" = 0 ] || echo "could not install$missing"
exit 0
