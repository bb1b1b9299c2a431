#!/bin/sh
# Hosts on this machine, for as long as this runs: each an SSH server with a home of its own, on loopback only.
# stage.sh FOLDER [HOST:PORT ...]
set -eu
stage=$1
shift
[ $# -gt 0 ] || set -- front:2211 back:2212
for tool in /usr/sbin/sshd ssh-keygen python3; do
    command -v "$tool" >/dev/null || { echo "stage.sh needs $tool" >&2; exit 1; }
done
# An SSH server that root starts wants this folder; that of somebody else does without.
[ -d /run/sshd ] || mkdir -p /run/sshd 2>/dev/null || true
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
for one in "$@"; do
    name=${one%%:*} port=${one##*:}
    mkdir -p "$name/home" "$name/tmp"
    cat >"$name/sshd_config" <<END
ListenAddress 127.0.0.1
Port $port
HostKey $stage/host
AuthorizedKeysFile $stage/key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME=$stage/$name/home
END
    /usr/sbin/sshd -D -e -f "$stage/$name/sshd_config" 2>"$name/sshd.log" &
    started="$started $!"
    # The name of the host is the name of its node template. The variables are those of Ansible.
    cat >>hosts.toml <<END
[$name]
address = "127.0.0.1"
port = $port
key = "key"
host_key = "$(cut -d' ' -f1,2 host.pub)"
vars = { ansible_remote_tmp = "$stage/$name/tmp", ansible_python_interpreter = "$python" }

END
done
cat >executor.toml <<END
hosts = "$stage/hosts.toml"
END
echo "the stage is ready: $stage/executor.toml"
wait
