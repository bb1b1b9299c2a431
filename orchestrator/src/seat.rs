//! Where this orchestrator sits: what tells it from every other that has the same store open.
//!
//! Owns the name of its place and the URL that others are told. Promises that no two processes have the same place at a
//! time: of all processes of a machine that share a network only one listens at an address, and a name or a certificate
//! may be copied. So whoever sat here before is gone, and its runs need not wait for its lease to end.

use std::net::SocketAddr;

use crate::config::Config;
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
