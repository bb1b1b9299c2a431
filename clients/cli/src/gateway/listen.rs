//! Where a gateway listens.
//!
//! Promises that nobody but this machine can connect.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::error::Error;

/// Listens on an address of this machine alone; with it the address as it came to be, its port chosen.
pub(crate) async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    if !wanted.ip().is_loopback() {
        return Err(Error::NotLoopback(wanted.to_string()));
    }
    let failed = |source| Error::Listen { address: wanted.to_string(), source };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
