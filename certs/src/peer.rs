//! Who is at the other end of a connection, as a request carries it.

use std::net::SocketAddr;

use jiff::Timestamp;

use crate::facts::Fingerprint;
use crate::identity::Identity;
use crate::role::{Role, Roles};
use std::sync::Arc;

/// The caller of a request: in its extensions, read by `warp::ext::get::<Peer>()`. Its certificate was
/// verified in the handshake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Whom the certificate names.
    pub identity: Arc<Identity>,
    /// What it may do, by the role map as it stood when the request arrived.
    pub roles: Roles,
    /// Of the certificate.
    pub fingerprint: Fingerprint,
    /// When the certificate ends; the connection ends then, too.
    pub not_after: Timestamp,
    /// Where it calls from.
    pub address: SocketAddr,
}

impl Peer {
    /// Whether it holds `role`.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.roles.has(role)
    }
}
