//! Who may use a gateway: pages that it serves itself, and programs of this machine.
//!
//! Owns what `Host`, `Origin` and `Sec-Fetch-*` must be. Promises to refuse before anything is sent. Never knows
//! what is asked for.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use gorch_schema::Problem;
use http::HeaderValue;
use http::header::{self, HeaderMap};

/// By which way a request may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From a page of the gateway; or from none, where an address was typed.
    OwnPage,
    /// A person who follows a link of any page, too: the browser shows what is answered, and the page that had the link
    /// never sees it.
    AnyLink,
}

/// The names under which a gateway lets itself be called.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    hosts: BTreeSet<String>,
}

impl Guard {
    /// For pages that were opened at this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let port = address.port();
        let mut hosts = BTreeSet::from([address.to_string()]);
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            hosts.insert(format!("{host}:{port}"));
            if port == 80 {
                hosts.insert(host.to_owned());
            }
        }
        Guard { hosts }
    }

    /// Why this request is refused, if it is. A foreign `Host` is DNS rebinding; a foreign `Origin` or fetch site is
    /// a page of somebody else that uses the browser's way to here.
    pub(crate) fn refusal(&self, headers: &HeaderMap, way: Way) -> Option<Problem> {
        let named = self.hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut hosts = headers.get_all(header::HOST).iter();
        match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) if self.hosts.contains(&host.to_ascii_lowercase()) => {}
            (Some(Ok(host)), None) => return Some(refusal("the host of this request", host, &named)),
            (Some(_), _) | (None, _) => return Some(refusal("the host of this request", "unreadable", &named)),
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or("unreadable");
            let own = origin.strip_prefix("http://").is_some_and(|host| self.hosts.contains(host));
            if !own {
                return Some(refusal("the origin of this request", origin, "a page of this gateway"));
            }
        }
        if way == Way::AnyLink && is_visit(headers) {
            return None;
        }
        let site = sites(headers).find(|site| !matches!(*site, "same-origin" | "none"))?;
        Some(refusal("the site that sent this request", site, "a page of this gateway, or a typed address"))
    }
}

/// Does a person of another site come here, as opposed to a frame, an image or a script of it?
pub(crate) fn is_visit(headers: &HeaderMap) -> bool {
    let is = |name: &str, expected: &str| {
        let mut said = headers.get_all(name).iter().peekable();
        said.peek().is_some() && said.all(|value| value == expected)
    };
    sites(headers).any(|site| matches!(site, "cross-site" | "same-site"))
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

fn sites(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all("sec-fetch-site").iter().map(|site| site.to_str().unwrap_or("unreadable"))
}

fn refusal(what: &str, found: &str, expected: &str) -> Problem {
    let found: String = found.chars().take(100).collect();
    Problem::new("foreign_page", format!("{what} is `{found}` (expected {expected})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn refused_by(way: Way, headers: &[(&'static str, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let guard = Guard::at("127.0.0.1:8080".parse().unwrap());
        guard.refusal(&headers.collect(), way).map(|problem| problem.detail)
    }

    fn refused(headers: &[(&'static str, &str)]) -> Option<String> {
        refused_by(Way::OwnPage, headers)
    }

    #[test]
    fn the_own_page_and_a_plain_client_come_in() {
        assert_eq!(refused(&[("host", "127.0.0.1:8080")]), None);
        assert_eq!(refused(&[("host", "LOCALHOST:8080"), ("sec-fetch-site", "none")]), None);
        let page = [("host", "[::1]:8080"), ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")];
        assert_eq!(refused(&page), None);
    }

    #[test]
    fn foreign_hosts_origins_and_sites_stay_out() {
        for host in ["evil.example:8080", "127.0.0.1", "127.0.0.1:8081", "localhost:8080.evil.example", ""] {
            assert!(refused(&[("host", host)]).unwrap().contains("host"), "{host}");
        }
        assert!(refused(&[]).is_some(), "a request without a host");
        assert!(refused(&[("host", "localhost:8080"), ("host", "localhost:8080")]).is_some(), "two hosts");
        for origin in ["http://evil.example", "null", "https://localhost:8080", "http://localhost:3000"] {
            assert!(refused(&[("host", "localhost:8080"), ("origin", origin)]).is_some(), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(refused(&[("host", "localhost:8080"), ("sec-fetch-site", site)]).is_some(), "{site}");
        }
    }

    #[test]
    fn a_link_of_another_page_may_be_followed_and_not_framed_nor_fetched() {
        let visit = |mode, dest| {
            [
                ("host", "localhost:8080"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ]
        };
        assert_eq!(refused_by(Way::AnyLink, &visit("navigate", "document")), None);
        assert!(refused_by(Way::OwnPage, &visit("navigate", "document")).is_some(), "the API is no page");
        for (mode, dest) in [("navigate", "iframe"), ("no-cors", "image"), ("no-cors", "script"), ("cors", "empty")] {
            assert!(refused_by(Way::AnyLink, &visit(mode, dest)).is_some(), "{mode} {dest}");
        }
        let rebound = [visit("navigate", "document").as_slice(), &[("host", "evil.example:8080")]].concat();
        assert!(refused_by(Way::AnyLink, &rebound).is_some(), "a visit by a foreign name");
    }
}
