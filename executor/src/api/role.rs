//! Who may call a route.
//!
//! Owns the check. Promises that a request without an identity, or whose identity lacks the role, goes no further.

use gorch_certs::{Identity, Peer, Role};
use std::sync::Arc;
use warp::reject::Reject;
use warp::{Filter, Rejection};

/// Why a caller goes no further.
#[derive(Debug)]
pub(super) enum Denied {
    /// No identity came with the connection.
    Nobody,
    /// It lacks the role.
    Role { identity: Arc<Identity>, needed: Role },
}

impl Reject for Denied {}

/// Lets only callers through that have this role.
pub(super) fn needs(role: Role) -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync {
    warp::ext::optional::<Peer>()
        .and_then(move |peer: Option<Peer>| async move {
            match peer {
                Some(peer) if peer.may(role) => Ok(()),
                Some(peer) => Err(warp::reject::custom(Denied::Role { identity: peer.identity, needed: role })),
                None => Err(warp::reject::custom(Denied::Nobody)),
            }
        })
        .untuple_one()
}
