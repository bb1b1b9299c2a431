//! Where this orchestrator sits: what tells it from every other that has the same store open.
//!
//! Owns the name of its place and the URL that others are told. Promises that no two processes have the same place at a
//! time: of all processes of a machine that share a network only one listens at an address, and a name or a certificate
//! may be copied. So whoever sat here before is gone, and its runs need not wait for its lease to end.

use std::net::SocketAddr;

use gorch_certs::Facts;

use crate::config::{Config, Store};
use crate::journal::postgres::Seat;

/// Different after each start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A link that names the network of this process: containers have one each.
const NETWORK: &str = "/proc/self/ns/net";

/// The machine's own name.
const NAME: &str = "/proc/sys/kernel/hostname";

/// The seat of whoever listens at this address.
pub(crate) fn of(config: &Config, address: SocketAddr) -> Seat {
    let unread = || uuid::Uuid::now_v7().to_string();
    // What cannot be read makes the place nobody else's: then leases decide.
    let boot = std::fs::read_to_string(BOOT).map_or_else(|_| unread(), |boot| boot.trim().to_owned());
    let network = std::fs::read_link(NETWORK).map_or_else(|_| unread(), |link| link.display().to_string());
    let url = config.advertise.clone().unwrap_or_else(|| url_of(address));
    Seat { place: format!("{boot} {network} {address}"), url: url.trim_end_matches('/').to_owned() }
}

/// An address that listens everywhere is reached by the machine's name.
fn url_of(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        let name = std::fs::read_to_string(NAME).unwrap_or_else(|_| "localhost".to_owned());
        format!("https://{}:{}", name.trim(), address.port())
    } else {
        format!("https://{address}")
    }
}

/// Why other orchestrators of the store would not believe whoever sits there, in words: they are told a host for which its
/// certificate does not hold. A store in a file has no others.
pub(crate) fn lacking(config: &Config, seat: &Seat, facts: &Facts) -> Option<String> {
    let uri: http::Uri = seat.url.parse().ok()?;
    let host = uri.host()?;
    if matches!(config.store, Store::Sqlite(_)) || facts.is_of_host(host) {
        return None;
    }
    let names: Vec<&str> = facts.hosts().collect();
    Some(format!(
        "they are told {}, and the certificate does not hold for `{host}`, only for {}: what is asked here of a run that lives \
         there is not answered (make one that does: `gorch certs renew DIR --name {host}`, in a new folder `gorch certs init \
         DIR --name {host}`; or name another host with `--advertise`)",
        seat.url,
        names.join(", "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_does_not_hold_for_the_host_that_others_are_told_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        gorch_certs::install_provider();
        gorch_certs::store::init_for(folder.path(), "gorch.local", &["b.example".to_owned()]).unwrap();
        let credentials = gorch_certs::Credentials::for_orchestrator(folder.path()).unwrap();
        let mut config = Config::new(folder.path().to_owned(), folder.path().to_owned());
        let said = |config: &Config, address: &str| {
            lacking(config, &of(config, address.parse().unwrap()), credentials.facts())
        };
        assert_eq!(said(&config, "10.0.0.1:8443"), None, "nobody else has the file");
        config.store = "postgres://gorch@localhost/gorch".parse().unwrap();
        assert_eq!(said(&config, "127.0.0.1:8443"), None);
        assert_eq!(said(&config, "[::1]:8443"), None);
        let why = said(&config, "10.0.0.1:8443").unwrap();
        assert!(why.starts_with("they are told https://10.0.0.1:8443, and"), "{why}");
        for part in ["does not hold for `10.0.0.1`", "localhost, 127.0.0.1", "b.example", "--name 10.0.0.1"] {
            assert!(why.contains(part), "{why}");
        }
        config.advertise = Some("https://B.example:8443/".to_owned());
        assert_eq!(said(&config, "10.0.0.1:8443"), None);
    }
}
