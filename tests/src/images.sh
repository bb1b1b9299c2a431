#!/bin/bash
# Makes what compose.yaml takes from a registry out of this machine's own files. No network is asked.
#   $1  a scratch folder    $2  the program gorch    $3  its image    $4  the image of PostgreSQL    $5  the Dockerfile
set -eu
scratch=$1 gorch=$2 image=$3 postgres=$4 dockerfile=$5

# A root as Debian's: the files, and the libraries that they are linked to.
fill() {
    local root=$1 file
    shift
    mkdir -p "$root"/{etc,tmp,usr/bin,usr/sbin,usr/lib,usr/lib64,run,var}
    for link in bin sbin lib lib64; do ln -sfn usr/$link "$root/$link"; done
    ln -sfn ../run "$root/var/run"
    chmod 1777 "$root/tmp"
    for file; do
        printf '%s\n' "$file"
        ldd "$file" 2>/dev/null | grep -o '/[^ ]*' || true
    done | sort -u | while read -r file; do
        [ -e "$root$file" ] || install -D "$file" "$root$file"
    done
}
programs() { for name; do command -v "$name"; done; }

fill "$scratch/base" $(programs bash sh cat grep install mkdir mv rm sleep tar touch) "$gorch"
rm "$scratch/base$gorch"
tar -C "$scratch/base" -c . | docker import - "$image-base" >/dev/null
tar -c -C "$(dirname "$gorch")" gorch -C "$(dirname "$dockerfile")" Dockerfile |
    docker build --quiet --tag "$image" --build-arg BASE="$image-base" - >/dev/null

server=$(ls -d /usr/lib/postgresql/*/ | sort -V | tail -1)
version=$(basename "$server")
fill "$scratch/postgres" $(programs bash sh cat chown grep id setpriv) \
    "$server"bin/{initdb,pg_ctl,pg_isready,postgres,psql} "$server"lib/{plpgsql,dict_snowball,utf8_and_iso8859_1}.so
mkdir -p "$scratch/postgres/usr/share/postgresql"
cp -a /usr/share/postgresql/"$version" "$scratch/postgres/usr/share/postgresql"
install -D /usr/share/zoneinfo/Etc/UTC "$scratch/postgres/usr/share/zoneinfo/Etc/UTC"
printf 'root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n' >"$scratch/postgres/etc/passwd"
printf 'root:x:0:\npostgres:x:999:\n' >"$scratch/postgres/etc/group"
mkdir -p "$scratch/postgres"/{var/lib/postgresql/data,run/postgresql}
# What the official image does with what compose.yaml says to it, and no more.
cat >"$scratch/postgres/entry" <<'ENTRY'
#!/bin/bash
set -eu
export PGDATA=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
    chown postgres "$PGDATA" /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if ! [ -s "$PGDATA/PG_VERSION" ]; then
    initdb --username "$POSTGRES_USER" --pwfile <(echo "$POSTGRES_PASSWORD") --encoding UTF8 --locale C $POSTGRES_INITDB_ARGS
    pg_ctl --wait --options '-c listen_addresses= -k /run/postgresql' start
    PGPASSWORD=$POSTGRES_PASSWORD psql -h /run/postgresql -U "$POSTGRES_USER" -c "CREATE DATABASE $POSTGRES_DB" postgres
    pg_ctl --wait --mode fast stop
fi
exec "$@"
ENTRY
chmod +x "$scratch/postgres/entry"
tar -C "$scratch/postgres" -c . |
    docker import --change "ENV PATH=${server}bin:/usr/bin:/usr/sbin" --change 'ENTRYPOINT ["/entry"]' - "$postgres" >/dev/null
