//! Hosts: network namespaces of this machine, each with a link to it that can be cut.
//!
//! Owns the namespaces and the links, and takes both away with the test. Promises that a machine on which there can be none
//! fails the test with what is missing: such a test is never passed over.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A host of its own, as far as the network goes; files and processes are those of this machine.
pub struct Host {
    namespace: String,
    link: String,
    /// Where it is reached.
    pub address: Ipv4Addr,
    /// Where it reaches this machine.
    pub gateway: Ipv4Addr,
}

/// Tests of one process share its id.
static COUNT: AtomicU32 = AtomicU32::new(0);

impl Host {
    /// A new one, which nobody else can reach.
    #[expect(clippy::new_without_default, reason = "it changes the machine")]
    pub fn new() -> Host {
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Out of 100.64.0.0/10, which is for links that nobody routes: four addresses each.
        let net = 0x6440_0000 | (((process << 6) | ((count & 15) << 2)) & 0x003f_fffc);
        let host = Host {
            namespace: format!("gorch-{process}-{count}"),
            link: format!("gt{process}x{count}"),
            address: Ipv4Addr::from(net + 2),
            gateway: Ipv4Addr::from(net + 1),
        };
        let (namespace, link) = (&host.namespace, &host.link);
        ip(&["netns", "add", namespace]);
        ip(&["link", "add", link, "type", "veth", "peer", "name", "up0", "netns", namespace]);
        ip(&["address", "add", &format!("{}/30", host.gateway), "dev", link]);
        ip(&["-n", namespace, "address", "add", &format!("{}/30", host.address), "dev", "up0"]);
        ip(&["-n", namespace, "link", "set", "lo", "up"]);
        ip(&["-n", namespace, "link", "set", "up0", "up"]);
        host.mend();
        host
    }

    /// A command that runs there.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// From now on nothing arrives, in either direction, and nobody is told.
    pub fn cut(&self) {
        ip(&["link", "set", &self.link, "down"]);
    }

    /// The link is there again.
    pub fn mend(&self) {
        ip(&["link", "set", &self.link, "up"]);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for args in [["link", "del", &self.link], ["netns", "del", &self.namespace]] {
            // What is not there any more need not go.
            let _ = Command::new("ip").args(args).output();
        }
    }
}

fn ip(args: &[&str]) {
    let needs = "this test needs network namespaces: root, and `ip` (Debian: apt-get install iproute2)";
    let done = Command::new("ip").args(args).output().unwrap_or_else(|error| panic!("{needs}; `ip`: {error}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{needs}; `ip {}`: {}", args.join(" "), said.trim());
}
