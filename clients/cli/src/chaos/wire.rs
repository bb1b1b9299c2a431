//! A wire between two of the processes, which can be cut.
//!
//! Owns a port of loopback and the bytes that go through it. Promises that what is cut hears nothing, neither an answer nor
//! an end, as behind a switch that died; and that what is mended goes on where it was. Never looks at the bytes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
}

/// The wire.
#[derive(Debug)]
pub(super) struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// Raised when all connections are to break.
    breaks: watch::Sender<u64>,
    task: AbortHandle,
}

impl Wire {
    /// A wire to this address.
    pub(super) async fn to(target: SocketAddr) -> io::Result<Wire> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (state, states) = watch::channel(State::Whole);
        let (breaks, broken) = watch::channel(0);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (states, mut broken) = (states.clone(), broken.clone());
                broken.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = carry(near, target, states) => {}
                        _ = broken.changed() => {}
                    }
                });
            }
        });
        Ok(Wire { address, state, breaks, task: task.abort_handle() })
    }

    /// Where it is entered.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(super) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }

    pub(super) fn is_cut(&self) -> bool {
        *self.state.borrow() == State::Cut
    }

    /// Ends every connection that goes through it; new ones are made at once.
    pub(super) fn break_all(&self) {
        self.breaks.send_modify(|breaks| *breaks += 1);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries a connection until either side ends it.
async fn carry(near: TcpStream, target: SocketAddr, mut states: watch::Receiver<State>) -> io::Result<()> {
    whole(&mut states).await;
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near, far) = (near.into_split(), far.into_split());
    let there = pump(near.0, far.1, states.clone());
    let back = pump(far.0, near.1, states);
    tokio::try_join!(there, back).map(|_| ())
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut states: watch::Receiver<State>,
) -> io::Result<()> {
    let mut piece = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut piece).await?;
        whole(&mut states).await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..read]).await?;
    }
}

async fn whole(states: &mut watch::Receiver<State>) {
    // Whoever could mend it is gone, and so is the wire.
    let _ = states.wait_for(|state| *state == State::Whole).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn what_is_cut_hears_nothing_and_goes_on_when_it_is_mended() {
        let wire = Wire::to(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        let mut heard = [0; 5];
        stream.write_all(b"first").await.unwrap();
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"first");
        wire.cut();
        assert!(wire.is_cut());
        stream.write_all(b"later").await.unwrap();
        let silence = timeout(Duration::from_millis(100), stream.read_exact(&mut heard)).await;
        assert!(silence.is_err(), "it hears nothing");
        wire.mend();
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"later");
    }

    #[tokio::test]
    async fn what_breaks_ends_and_the_next_connection_holds() {
        let wire = Wire::to(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        stream.write_all(b"first").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        wire.break_all();
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        let mut stream = TcpStream::connect(wire.address()).await.unwrap();
        stream.write_all(b"again").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
    }
}
