#!/bin/bash
# A machine of a test's own: a systemd as process 1 of its own namespaces. It has its own network, name and control group, and a
# root in memory, in which nothing of this machine can be written; of this machine's units it knows those that are copied below, so
# that nothing is swept, mounted, set or probed. It is gone when our standard input is closed.
#   $1  an empty folder for the root    $2  a name    $3  what it sees in /deploy    $4  what it sees as /gorch
set -eu
root=$1 name=$2 deploy=$3 gorch=$4

if [ -z "${GORCH_MACHINE:-}" ]; then
    trap 'rmdir "$root"' EXIT
    GORCH_MACHINE=outside unshare --mount --pid --fork --kill-child bash "$0" "$@" </dev/null >&2 &
    outer=$!
    until inner=$(cat /proc/$outer/task/$outer/children) && [ -n "$inner" ]; do kill -0 $outer; done
    echo "$inner"
    cat >/dev/null || true
    # With process 1 all others of its namespace go, before anybody hears of its end.
    kill -9 "$inner" || true
    wait $outer || true
    # What is left of it: an empty group for each unit.
    unshare --mount bash -c 'mount -t cgroup2 cgroup2 "$1" && find "$1/$2" -depth -type d -exec rmdir {} +' - "$root" "$name"
    exit
fi

if [ "$GORCH_MACHINE" = outside ]; then
    mount --make-rprivate /
    mount -t cgroup2 cgroup2 "$root"
    mkdir "$root/$name"
    echo 0 >"$root/$name/cgroup.procs"
    umount "$root"
    GORCH_MACHINE=inside exec unshare --cgroup --net --uts --ipc bash "$0" "$@"
fi

mount -t tmpfs -o mode=755 machine "$root"
cd "$root"
mkdir -p usr proc sys dev run deploy root etc/systemd/system var/lib var/log var/tmp tmp old
chmod 1777 tmp var/tmp
for link in bin sbin lib lib64; do ln -s usr/$link $link; done
touch gorch
read_only() {
    mount --bind "$1" "$2"
    mount -o remount,bind,ro "$2"
}
read_only /usr usr
read_only "$deploy" deploy
read_only "$gorch" gorch
mount -t tmpfs -o mode=755 programs usr/local/bin
mount -t tmpfs -o mode=755 units usr/lib/systemd/system
for target in sysinit basic sockets shutdown network-online multi-user; do
    printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' $target >usr/lib/systemd/system/$target.target
done
printf 'Wants=systemd-journald.service\n' >>usr/lib/systemd/system/sysinit.target
for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
    cp /usr/lib/systemd/system/$unit usr/lib/systemd/system
done
ln -s multi-user.target usr/lib/systemd/system/default.target
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
    touch dev/$node
    mount --bind /dev/$node dev/$node
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 pts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
echo 'root:x:0:' >etc/group
echo 0123456789abcdef0123456789abcdef >etc/machine-id
hostname "$name"
ip link set lo up
pivot_root . old
umount -l old
rmdir old
# What it is not to change of this machine's kernel.
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin setpriv \
    --bounding-set -sys_module,-sys_time,-sys_rawio,-sys_boot,-syslog,-mac_admin,-mac_override,-wake_alarm \
    /lib/systemd/systemd --system --log-target=console --log-level=warning --show-status=no
