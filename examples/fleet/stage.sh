#!/bin/sh
# Two hosts on this machine, for as long as this runs: each an SSH server and a web server, on loopback only.
# stage.sh FOLDER [SSH1 SSH2 WEB1 WEB2]
set -eu
stage=$1
shift
[ $# -eq 4 ] || set -- 2201 2202 8081 8082
for tool in /usr/sbin/sshd ssh-keygen python3 docker; do
    command -v "$tool" >/dev/null || { echo "stage.sh needs $tool" >&2; exit 1; }
done
docker version >/dev/null 2>&1 || { echo "stage.sh needs a docker engine that runs" >&2; exit 1; }
[ -d /run/sshd ] || mkdir -p /run/sshd
umask 077
mkdir -p "$stage"
cd "$stage"
stage=$(pwd)
started=
trap 'kill $started 2>/dev/null' EXIT
trap 'exit 0' INT TERM

python=$(python3 -c "import sys; print(sys.executable)")
[ -f key ] || ssh-keygen -q -t ed25519 -N '' -f key
[ -f host ] || ssh-keygen -q -t ed25519 -N '' -f host
: >hosts.toml
host() { # NAME SSH WEB
    mkdir -p "$1/www" "$1/tmp"
    cat >"$1/sshd_config" <<END
ListenAddress 127.0.0.1
Port $2
HostKey $stage/host
AuthorizedKeysFile $stage/key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
END
    /usr/sbin/sshd -D -e -f "$stage/$1/sshd_config" 2>"$1/sshd.log" &
    started="$started $!"
    "$python" -m http.server "$3" --bind 127.0.0.1 --directory "$1/www" >"$1/web.log" 2>&1 &
    started="$started $!"
    cat >>hosts.toml <<END
[$1]
address = "127.0.0.1"
port = $2
key = "key"
host_key = "$(cut -d' ' -f1,2 host.pub)"
groups = ["web"]
vars = { root = "$stage/$1/www", ansible_remote_tmp = "$stage/$1/tmp", ansible_python_interpreter = "$python" }

END
}
host web1 "$1" "$3"
host web2 "$2" "$4"
cat >executor.toml <<END
label = ["stage=fleet"]
hosts = "$stage/hosts.toml"
http_allow = ["127.0.0.1"]
END
echo "the stage is ready: $stage/executor.toml"
wait
