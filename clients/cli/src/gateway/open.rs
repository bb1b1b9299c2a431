//! The gateway without a door: whoever can open a socket on this machine speaks with its certificate.
//!
//! Owns what `gorch proxy` serves. Never knows a session: that is the door's.

use std::convert::Infallible;
use std::net::SocketAddr;

use gorch_client::Client;
use warp::Filter;
use warp::reply::Response;

use super::{Asked, Guard, Way, answered_by, pass, problem};

/// Passes everything on to the orchestrator of `client`, for pages that were opened at `address`.
pub(crate) fn gateway(
    client: Client,
    address: SocketAddr,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let guard = Guard::at(address);
    answered_by(move |asked: Asked| {
        let (client, refusal) = (client.clone(), guard.refusal(&asked.headers, Way::OwnPage));
        async move {
            match refusal {
                Some(refusal) => problem(&refusal),
                None => pass(&client, asked).await,
            }
        }
    })
}
