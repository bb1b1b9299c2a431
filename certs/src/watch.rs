//! Credentials and roles as a value that changes while the process runs.
//!
//! Promises that replaced files take effect within a few seconds without a restart, that bad files leave
//! the old ones in force and say so once, that the end of our own certificate is said each day for two weeks before it
//! comes, and that the identity of a running process never changes.
//! Looks at the files' stamps, not at notifications: those do not cross every kind of mount.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use slog::{Logger, info, warn};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::cause::chain;
use crate::credentials::{self, Credentials, Files, Warning};
use crate::identity::Identity;
use crate::rolemap::{self, RoleMap};

/// How often the files are looked at.
pub const PERIOD: Duration = Duration::from_secs(2);

/// How often it is said that our certificate ends soon.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Who we are, whom we believe, and who may do what: at one instant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Our certificate and whom we believe.
    pub credentials: Credentials,
    /// Who may do what.
    pub roles: Arc<RoleMap>,
}

impl Standing {
    /// With the role map that lies beside the credentials' authority.
    ///
    /// # Errors
    /// When the role map is wrong.
    pub fn of(credentials: Credentials) -> Result<Self, rolemap::Error> {
        let roles = Arc::new(RoleMap::load(&credentials.files().roles)?);
        Ok(Standing { credentials, roles })
    }
}

/// Why replaced files are not taken.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    #[error("the new certificate names `{found}`, expected `{expected}` as before")]
    OtherIdentity { found: Identity, expected: Identity },
}

/// A handle to the current [`Standing`]. Cheap to clone; each clone sees each change once.
#[derive(Clone, Debug)]
pub struct Watch {
    receiver: watch::Receiver<Standing>,
    nudge: Arc<Notify>,
}

impl Watch {
    /// Loads the role map and follows the files until `shutdown`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the role map is wrong: at the start nothing older can stay in force.
    pub fn start(credentials: Credentials, shutdown: CancellationToken, log: Logger) -> Result<Self, rolemap::Error> {
        Watch::start_every(PERIOD, credentials, shutdown, log)
    }

    /// As [`Watch::start`], looking every `period`.
    ///
    /// # Errors
    /// As [`Watch::start`].
    pub fn start_every(
        period: Duration,
        credentials: Credentials,
        shutdown: CancellationToken,
        log: Logger,
    ) -> Result<Self, rolemap::Error> {
        // Before the role map is read, so that a change between the two is seen as one.
        let stamps = Stamps::of(credentials.files());
        let standing = Standing::of(credentials)?;
        for warning in standing.credentials.warnings() {
            warn!(log, "certificate warning"; "warning" => %warning);
        }
        tell_of_roles(&log, &standing);
        let (sender, receiver) = watch::channel(standing);
        let nudge = Arc::new(Notify::new());
        let follower = Follower { sender, stamps, trouble: [None, None], reminder: Reminder(Timestamp::now()), log };
        tokio::spawn(follower.follow(period, nudge.clone(), shutdown));
        Ok(Watch { receiver, nudge })
    }

    /// One that never changes.
    #[must_use]
    pub fn fixed(standing: Standing) -> Self {
        let (_, receiver) = watch::channel(standing);
        Watch { receiver, nudge: Arc::new(Notify::new()) }
    }

    /// As it is now.
    #[must_use]
    pub fn current(&self) -> Standing {
        self.receiver.borrow().clone()
    }

    /// Our own identity; it never changes.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.receiver.borrow().credentials.identity().clone()
    }

    /// Looks at the files now, whatever their stamps say (for a signal handler).
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Waits for the next change that this clone has not seen; for ever when there can be none.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// As it is now, and counts as seen.
    pub(crate) fn take(&mut self) -> Standing {
        self.receiver.borrow_and_update().clone()
    }

    pub(crate) fn roles_of(&self, identity: &Identity) -> crate::role::Roles {
        self.receiver.borrow().roles.roles_of(identity)
    }
}

struct Follower {
    sender: watch::Sender<Standing>,
    stamps: Stamps,
    /// What was last said about the certificates, and about the role map.
    trouble: [Option<String>; 2],
    reminder: Reminder,
    log: Logger,
}

/// When it was last looked whether our certificate ends soon, which is said then if it does.
struct Reminder(Timestamp);

impl Reminder {
    /// What is to be said now.
    fn look(&mut self, credentials: &Credentials, now: Timestamp) -> Option<Warning> {
        if now.duration_since(self.0) < DAY {
            return None;
        }
        self.0 = now;
        credentials.ends_soon(now)
    }
}

impl Follower {
    async fn follow(mut self, period: Duration, nudge: Arc<Notify>, shutdown: CancellationToken) {
        loop {
            let forced = tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.sender.closed() => return,
                () = nudge.notified() => true,
                () = tokio::time::sleep(period) => false,
            };
            let credentials = self.sender.borrow().credentials.clone();
            if let Some(warning) = self.reminder.look(&credentials, Timestamp::now()) {
                warn!(self.log, "certificate warning"; "warning" => %warning);
            }
            let files = credentials.files().clone();
            let stamps = Stamps::of(&files);
            // Bad files are tried again unchanged: a certificate may only have to wait for its time.
            let troubled = self.trouble.iter().any(Option::is_some);
            if forced || troubled || stamps != self.stamps {
                self.stamps = stamps;
                self.look().await;
            }
        }
    }

    async fn look(&mut self) {
        let before = self.sender.borrow().clone();
        let old = before.credentials.clone();
        let reading = tokio::task::spawn_blocking(move || (reload(&old), RoleMap::load(&old.files().roles)));
        // It cannot panic; if it is cancelled, the runtime is going down.
        let Ok((credentials, roles)) = reading.await else { return };
        let mut after = before.clone();
        match credentials {
            Ok(new) => {
                after.credentials = new;
                self.trouble[0] = None;
            }
            Err(error) => self.complain(0, "replaced certificates refused, the old ones stay in force", chain(&error)),
        }
        match roles {
            Ok(new) => {
                if new != *before.roles {
                    after.roles = Arc::new(new);
                }
                self.trouble[1] = None;
            }
            Err(error) => self.complain(1, "replaced role map refused, the old one stays in force", chain(&error)),
        }
        let certificates_replaced = !after.credentials.same(&before.credentials);
        let roles_replaced = !Arc::ptr_eq(&after.roles, &before.roles);
        if certificates_replaced {
            info!(self.log, "certificates reloaded"; "identity" => %after.credentials.identity(),
                "fingerprint" => %after.credentials.fingerprint(), "not_after" => %after.credentials.facts().not_after);
            for warning in after.credentials.warnings() {
                if !before.credentials.warnings().contains(warning) {
                    warn!(self.log, "certificate warning"; "warning" => %warning);
                }
            }
        }
        if roles_replaced {
            tell_of_roles(&self.log, &after);
        }
        if certificates_replaced || roles_replaced {
            self.sender.send_replace(after);
        }
    }

    fn complain(&mut self, about: usize, message: &'static str, cause: String) {
        if self.trouble[about].as_ref() != Some(&cause) {
            warn!(self.log, "{}", message; "cause" => &cause);
            self.trouble[about] = Some(cause);
        }
    }
}

fn reload(old: &Credentials) -> Result<Credentials, Error> {
    let new = old.reload()?;
    if new.identity() == old.identity() {
        Ok(new)
    } else {
        Err(Error::OtherIdentity { found: new.identity().clone(), expected: old.identity().clone() })
    }
}

fn tell_of_roles(log: &Logger, standing: &Standing) {
    let path = standing.credentials.files().roles.display();
    if standing.roles.is_open() {
        warn!(log, "no role map: every user certificate of our authority may do everything"; "expected" => %path);
    } else {
        info!(log, "role map loaded"; "path" => %path);
    }
}

/// What changes when a file is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamps([Option<Stamp>; 5]);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamps {
    fn of(files: &Files) -> Self {
        Stamps([&files.ca, &files.cert, &files.key, &files.crl, &files.roles].map(|path| Stamp::of(path)))
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Stamp {
            inode: (found.dev(), found.ino()),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, store};

    #[test]
    fn the_end_of_a_certificate_is_said_each_day_of_its_last_two_weeks_and_when_it_is_over() {
        crate::install_provider();
        let dir = tempfile::tempdir().unwrap();
        store::init(dir.path()).unwrap();
        let month = Duration::from_secs(30 * 24 * 3600);
        let options = store::Options { validity: month, ..store::Options::default() };
        store::issue(dir.path(), Kind::Executor, "e1", &options).unwrap();
        let (credentials, _) = Credentials::for_executor(dir.path(), "e1").unwrap();
        assert!(credentials.warnings().is_empty(), "it has a month");
        let start = Timestamp::now();
        let mut reminder = Reminder(start);
        let said = (0..40 * 24).filter(|hour| {
            let now = start + SignedDuration::from_hours(*hour);
            reminder.look(&credentials, now).is_some()
        });
        let days: Vec<i64> = said.map(|hour| hour / 24).collect();
        assert_eq!(days, (16..40).collect::<Vec<i64>>());
    }
}
