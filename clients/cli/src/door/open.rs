//! A door that is open: where it is, and its links as people open them.
//!
//! Promises that it is open as long as it is held. Never waits for a browser: its streams have no end of their own, and come
//! back to the next door to go on from where they were.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use gorch_client::Client;
use slog::Logger;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::answer::Desk;
use super::files::Files;
use super::keys::{Keys, Secret};
use crate::error::Error;
use crate::gateway::{Guard, answered_by, listen};

/// Where a door is if nobody says otherwise, and nobody else is there.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// A door to the orchestrator of a client.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    link: watch::Receiver<Secret>,
    _serving: AbortOnDropHandle<()>,
}

impl Door {
    /// Opens it at this address; or where doors usually are, or at any free port.
    pub(crate) async fn open(
        client: Client,
        wanted: Option<SocketAddr>,
        files: Files,
        log: Logger,
    ) -> Result<Door, Error> {
        let (listener, address) = match wanted {
            Some(wanted) => listen(wanted).await?,
            None => match listen(USUAL).await {
                // The link names the port, so nobody needs to be told to look for another one.
                Err(Error::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse => {
                    listen(SocketAddr::new(USUAL.ip(), 0)).await?
                }
                usual => usual?,
            },
        };
        let keys = Arc::new(Keys::new(address.port()));
        let link = keys.links();
        let desk = Desk { client, guard: Guard::at(address), keys, files };
        let filter = answered_by(move |asked| desk.clone().answer(asked));
        let serving = gorch_certs::serve_plain(listener, filter, CancellationToken::new(), log);
        Ok(Door { address, link, _serving: AbortOnDropHandle::new(tokio::spawn(serving)) })
    }

    /// Where it is; nobody comes in by that alone.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The link that opens now.
    pub(crate) fn link(&mut self) -> String {
        format!("{}/door/{}", self.url(), self.link.borrow_and_update().as_str())
    }

    /// The next one, once somebody has come in by the last that was asked for; never, where nobody serves it any more.
    /// Cancel safe.
    pub(crate) async fn next_link(&mut self) -> String {
        if self.link.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.link()
    }
}
