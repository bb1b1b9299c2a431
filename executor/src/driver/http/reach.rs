//! Which addresses the driver may talk to.
//!
//! Owns the refusal of addresses that belong to this machine or its surroundings: a graph's author must not reach
//! through an executor what only the executor can reach. Promises that a name is judged by every address that it
//! resolves to, at each connection anew, and that redirects are judged like first requests. What the executor's
//! configuration lists is allowed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use futures::FutureExt;
use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;

/// Something near that may be reached all the same: a network, an address, or a host by its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Reach {
    /// Every address in it.
    Net(IpNet),
    /// Whatever it resolves to.
    Host(String),
}

/// A text that is neither a network nor a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a network (10.0.0.0/8), nor an address, nor the name of a host")]
pub struct NoReach(String);

impl FromStr for Reach {
    type Err = NoReach;

    fn from_str(text: &str) -> Result<Self, NoReach> {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if let Ok(net) = text.parse() {
            Ok(Reach::Net(net))
        } else if let Ok(address) = text.parse::<IpAddr>() {
            Ok(Reach::Net(address.into()))
        } else if !text.is_empty() && text.chars().all(letter) {
            Ok(Reach::Host(text.to_ascii_lowercase()))
        } else {
            Err(NoReach(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Reach {
    type Error = NoReach;

    fn try_from(text: String) -> Result<Self, NoReach> {
        text.parse()
    }
}

/// An address that is not to be talked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) struct Forbidden {
    host: String,
    address: IpAddr,
    kind: &'static str,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Forbidden { host, address, kind } = self;
        write!(f, "`{host}` ")?;
        if *host != address.to_string() {
            write!(f, "is {address}, which ")?;
        }
        write!(f, "is {kind}; this executor's `http_allow` does not list it")
    }
}

/// What is near and allowed; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<[Reach]>);

impl Guard {
    pub(super) fn new(allowed: &[Reach]) -> Self {
        Guard(allowed.into())
    }

    /// Judges the address that a URL names literally; names are judged when they are resolved.
    pub(super) fn judge(&self, url: &Url) -> Result<(), Forbidden> {
        let Some(host) = url.host_str() else { return Ok(()) };
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => self.judge_address(host, address),
            Err(_) => Ok(()),
        }
    }

    fn judge_address(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        let address = plain(address);
        let Some(kind) = near(address) else { return Ok(()) };
        let allowed = self.0.iter().any(|reach| match reach {
            Reach::Net(net) => net.contains(&address),
            Reach::Host(name) => host.trim_end_matches('.').eq_ignore_ascii_case(name),
        });
        if allowed { Ok(()) } else { Err(Forbidden { host: host.to_owned(), address, kind }) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            // One forbidden address is enough: which of them would be taken is not ours to say.
            for address in &found {
                guard.judge_address(host, address.ip())?;
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        }
        .boxed()
    }
}

/// The address of version 4 that one of version 6 stands for, if it does.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let embedded = |segments: &[u16]| {
        let [a, b] = segments[0].to_be_bytes();
        let [c, d] = segments[1].to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        // Mapped, and translated by NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, rest @ ..] | [0x64, 0xff9b, 0, 0, 0, 0, rest @ ..] => embedded(&rest),
        // 6to4 (RFC 3056).
        [0x2002, first, second, ..] => embedded(&[first, second]),
        _ => address,
    }
}

/// Why an address is near: the registries of special addresses (RFC 6890).
fn near(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(four) => near_four(four),
        IpAddr::V6(six) => near_six(six),
    }
}

fn near_four(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [127, ..] => Some("this machine"),
        [0, ..] => Some("an address of \"this network\""),
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Some("in a private network"),
        [169, 254, ..] => Some("on the local link"),
        [192, 0, 0, _] | [198, 18..=19, ..] => Some("kept for special use"),
        [224..=255, ..] => Some("no single host"),
        _ => None,
    }
}

fn near_six(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Some("this machine"),
        // The first sixteen bits of each block.
        [0xfc00..=0xfdff, ..] => Some("in a private network"),
        [0xfe80..=0xfebf, ..] => Some("on the local link"),
        [0xfec0..=0xfeff, ..] => Some("in a private network"),
        [0xff00..=0xffff, ..] => Some("no single host"),
        [0, ..] | [0x100, 0, ..] => Some("kept for special use"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(allowed: &[&str], url: &str) -> Result<(), String> {
        let allowed: Vec<Reach> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        Guard::new(&allowed).judge(&url.parse().unwrap()).map_err(|forbidden| forbidden.to_string())
    }

    #[test]
    fn addresses_of_this_machine_and_its_surroundings_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[::7f00:1]",
        ] {
            assert!(judge(&[], &format!("http://{host}/")).is_err(), "{host}");
        }
        for host in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "[2606:4700::1111]", "[2002:808:808::]", "example.org"] {
            assert_eq!(judge(&[], &format!("http://{host}/")), Ok(()), "{host}");
        }
    }

    #[test]
    fn what_is_listed_is_allowed_and_the_refusal_says_what_is_not() {
        assert_eq!(judge(&["127.0.0.1"], "http://127.0.0.1:8080/"), Ok(()));
        assert_eq!(judge(&["10.0.0.0/8"], "http://[::ffff:10.9.9.9]/"), Ok(()));
        let refused = judge(&["10.0.0.0/8", "localhost"], "http://127.0.0.1/").unwrap_err();
        assert_eq!(refused, "`127.0.0.1` is this machine; this executor's `http_allow` does not list it");
        for wrong in ["", "a b", "http://x", "10.0.0.0/33"] {
            assert!(wrong.parse::<Reach>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_resolves_to() {
        let resolve = |allowed: &[&str]| {
            let allowed: Vec<Reach> = allowed.iter().map(|text| text.parse().unwrap()).collect();
            Guard::new(&allowed).resolve("localhost".parse().unwrap())
        };
        let refused = resolve(&[]).await.map(|_| ()).unwrap_err();
        let refused = refused.downcast_ref::<Forbidden>().unwrap().to_string();
        assert!(refused.starts_with("`localhost` is ") && refused.contains("which is this machine"), "{refused}");
        assert!(resolve(&["localhost"]).await.is_ok());
        assert!(resolve(&["127.0.0.0/8", "::1"]).await.is_ok());
    }
}
