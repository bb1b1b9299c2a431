#!/bin/sh
# Makes the authority and a certificate for each service, where they are missing, and gives each service no key but its own. The
# authority stays in a volume that no service has.
set -eu
gorch certs init /authority --name orchestrator1 --name orchestrator2
for executor in executor1 executor2; do
    [ -e /authority/executor-$executor.pem ] || gorch certs issue executor $executor --host $executor --dir /authority
done
give() {
    folder=/certs/$1
    shift
    for file; do
        install -o 10001 -g 10001 -m 600 "/authority/$file" "$folder/$file.new"
        mv "$folder/$file.new" "$folder/$file"
    done
}
give orchestrator ca.pem orchestrator.pem orchestrator.key roles.toml
give executor1 ca.pem executor-executor1.pem executor-executor1.key roles.toml
give executor2 ca.pem executor-executor2.pem executor-executor2.key roles.toml
give client ca.pem client.pem client.key
