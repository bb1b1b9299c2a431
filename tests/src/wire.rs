//! A wire to a server on loopback, which can be cut without anybody being told.
//!
//! Owns the process that carries the bytes. Promises that what is cut hears nothing, neither an answer nor an end, and that
//! what is mended goes on where it was.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::stand::free_address;

/// The wire.
#[derive(Debug)]
pub struct Wire {
    /// The first of its group: each connection has a process.
    carrier: Child,
    port: u16,
}

impl Wire {
    /// A new one to this port.
    pub fn to(port: u16) -> Wire {
        let entry = free_address().port();
        let carrier = Command::new("socat")
            .arg(format!("TCP-LISTEN:{entry},bind=127.0.0.1,reuseaddr,fork"))
            .arg(format!("TCP:127.0.0.1:{port}"))
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .expect("`socat` can be started (Debian: apt-get install socat)");
        Wire { carrier, port: entry }
    }

    /// Where it is entered.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing arrives, in either direction.
    pub fn cut(&self) {
        self.signal(Signal::STOP);
    }

    /// What is under way arrives, and all that follows.
    pub fn mend(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.carrier), signal).expect("its carriers take signals");
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Gone already, perhaps.
        let _ = kill_process_group(Pid::from_child(&self.carrier), Signal::KILL);
        let _ = self.carrier.wait();
    }
}
