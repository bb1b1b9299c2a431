//! Who may come in: whoever has the link, once; and whoever came in by one.
//!
//! Owns the link and the sessions. Promises: a link opens once, and the next one is there when it has; secrets are 256 bits
//! of the system's chance and are compared in a time that says nothing about them; sessions are few and end with the process.
//! Never tells a secret to anybody but the browser that it is for, and whoever shows the link.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{self, HeaderMap, HeaderValue};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

/// Browsers that may be inside; the one that came first makes room for another.
const MOST: usize = 16;

/// Something that only those know who were told.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    fn new() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the system gives chance to every process");
        Secret(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    fn is(&self, said: &str) -> bool {
        self.0.as_bytes().ct_eq(said.as_bytes()).into()
    }

    /// As it stands in a link.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The keys of one door.
#[derive(Debug)]
pub(super) struct Keys {
    /// Cookies know no ports: two doors of one machine need two names.
    cookie: String,
    link: watch::Sender<Secret>,
    sessions: Mutex<VecDeque<Secret>>,
}

impl Keys {
    /// New ones for the door at this port: one link, nobody inside.
    pub(super) fn new(port: u16) -> Self {
        let link = watch::Sender::new(Secret::new());
        Keys { cookie: format!("gorch-ui-{port}"), link, sessions: Mutex::default() }
    }

    /// The link that opens now, and each one after it.
    pub(super) fn links(&self) -> watch::Receiver<Secret> {
        self.link.subscribe()
    }

    /// Opens, if this is the link: the cookie of a new session. The link is another one from then on.
    pub(super) fn enter(&self, said: &str) -> Option<HeaderValue> {
        let opened = self.link.send_if_modified(|link| {
            let opens = link.is(said);
            if opens {
                *link = Secret::new();
            }
            opens
        });
        opened.then(|| self.admit())
    }

    fn admit(&self) -> HeaderValue {
        let session = Secret::new();
        // Strict: a link of another page opens the client, and no request of another page carries the cookie.
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie, session.as_str());
        let mut sessions = self.sessions();
        sessions.truncate(MOST - 1);
        sessions.push_front(session);
        HeaderValue::try_from(cookie).expect("the cookie is made of letters and digits")
    }

    /// Does the request come from a browser that is inside?
    pub(super) fn know(&self, headers: &HeaderMap) -> bool {
        let sessions = self.sessions();
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut said = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|cookie| cookie.trim().strip_prefix(&self.cookie)?.strip_prefix('='));
        said.any(|said| sessions.iter().any(|session| session.is(said)))
    }

    fn sessions(&self) -> MutexGuard<'_, VecDeque<Secret>> {
        // Nothing panics in between that would leave half a session.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(keys: &Keys) -> String {
        keys.links().borrow().as_str().to_owned()
    }

    /// What a browser sends back of such a cookie.
    fn sent(cookie: &HeaderValue) -> HeaderMap {
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, format!("theme=dark; {cookie}").parse().unwrap())])
    }

    #[test]
    fn a_link_opens_once_and_another_one_is_there() {
        let keys = Keys::new(8081);
        let first = link(&keys);
        assert!(keys.enter("").is_none() && keys.enter(&first[1..]).is_none());
        let cookie = keys.enter(&first).unwrap();
        assert!(keys.know(&sent(&cookie)));
        assert!(keys.enter(&first).is_none(), "it was used");
        assert_ne!(link(&keys), first);
        assert!(keys.enter(&link(&keys)).is_some());
        assert!(keys.know(&sent(&cookie)), "another browser takes nothing away");
    }

    #[test]
    fn the_cookie_is_no_script_s_and_of_one_door() {
        let keys = Keys::new(8081);
        let cookie = keys.enter(&link(&keys)).unwrap();
        let text = cookie.to_str().unwrap();
        assert!(text.starts_with("gorch-ui-8081=") && text.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{text}");
        assert_eq!(text.split(['=', ';']).nth(1).unwrap().len(), 43, "256 bits");
        assert!(!text.contains(&link(&keys)), "a session is no link");
        let other = HeaderValue::try_from(text.replace("8081", "8082")).unwrap();
        assert!(!keys.know(&sent(&other)), "it has another name");
        assert!(!Keys::new(8081).know(&sent(&cookie)), "another process gave it");
        assert!(!keys.know(&HeaderMap::new()));
        for said in ["gorch-ui-8081=", "gorch-ui-8081", "gorch-ui-80811=x", ""] {
            assert!(!keys.know(&HeaderMap::from_iter([(header::COOKIE, said.parse().unwrap())])), "{said}");
        }
    }

    #[test]
    fn the_browser_that_came_first_makes_room() {
        let keys = Keys::new(8081);
        let cookies: Vec<HeaderValue> = (0..=MOST).map(|_| keys.enter(&link(&keys)).unwrap()).collect();
        let known: Vec<bool> = cookies.iter().map(|cookie| keys.know(&sent(cookie))).collect();
        assert!(!known[0] && known[1..].iter().all(|known| *known), "{known:?}");
    }
}
