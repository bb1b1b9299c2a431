//! What an identity may do, as a small closed set.
//!
//! Promises that a set in hand is closed under what implies what (who may admin may also read). Never
//! knows routes: each of those names the role that it needs.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    Read,
    /// Start runs.
    Submit,
    /// Stop runs.
    Cancel,
    /// Pause, resume, drain, and what else keeps the house going.
    Operate,
    /// Everything that a person may do.
    Admin,
    /// Give work to executors.
    Orchestrator,
    /// Register, beat, and report.
    Executor,
}

impl Role {
    /// All roles, in the order in which they are listed to people.
    pub const ALL: [Role; 7] =
        [Role::Read, Role::Submit, Role::Cancel, Role::Operate, Role::Admin, Role::Orchestrator, Role::Executor];

    /// Those that a user can hold.
    pub const OF_USERS: [Role; 5] = [Role::Read, Role::Submit, Role::Cancel, Role::Operate, Role::Admin];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Submit => "submit",
            Role::Cancel => "cancel",
            Role::Operate => "operate",
            Role::Admin => "admin",
            Role::Orchestrator => "orchestrator",
            Role::Executor => "executor",
        }
    }

    /// This role and all that come with it.
    #[must_use]
    pub fn implied(self) -> Roles {
        let with = match self {
            Role::Read | Role::Orchestrator | Role::Executor => Roles::NONE,
            Role::Submit | Role::Cancel => Role::Read.implied(),
            Role::Operate => Role::Submit.implied().union(Role::Cancel.implied()),
            Role::Admin => Role::Operate.implied(),
        };
        Roles(with.0 | self.bit())
    }

    fn bit(self) -> u8 {
        match self {
            Role::Read => 1,
            Role::Submit => 2,
            Role::Cancel => 4,
            Role::Operate => 8,
            Role::Admin => 16,
            Role::Orchestrator => 32,
            Role::Executor => 64,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role of a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role `{found}` (known: read, submit, cancel, operate, admin)")]
pub struct Unknown {
    /// As given.
    pub found: String,
}

impl FromStr for Role {
    type Err = Unknown;

    /// Reads a role that a user can hold; the two of services follow from the kind and are not given.
    fn from_str(text: &str) -> Result<Self, Unknown> {
        Role::OF_USERS.into_iter().find(|role| role.as_str() == text).ok_or_else(|| Unknown { found: text.to_owned() })
    }
}

/// A set of roles, closed under implication. Prints as `read,submit`; serializes as a list of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// May do nothing.
    pub const NONE: Roles = Roles(0);

    /// Everything a user can hold.
    #[must_use]
    pub fn of_users() -> Self {
        Role::Admin.implied()
    }

    /// Whether `role` is among them.
    #[must_use]
    pub fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    #[must_use]
    pub fn union(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Roles::NONE, |all, role| all.union(role.implied()))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, role) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(role.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_brings_the_ones_it_implies_and_no_other() {
        let closed = |role: Role| role.implied().to_string();
        assert_eq!(closed(Role::Read), "read");
        assert_eq!(closed(Role::Submit), "read,submit");
        assert_eq!(closed(Role::Cancel), "read,cancel");
        assert_eq!(closed(Role::Operate), "read,submit,cancel,operate");
        assert_eq!(closed(Role::Admin), "read,submit,cancel,operate,admin");
        assert_eq!(closed(Role::Orchestrator), "orchestrator");
        assert_eq!(closed(Role::Executor), "executor");
    }

    #[test]
    fn nobody_is_given_a_role_of_a_service() {
        assert!("orchestrator".parse::<Role>().is_err());
        assert!("executor".parse::<Role>().is_err());
        assert!(!Roles::of_users().has(Role::Orchestrator));
        assert!(!Roles::of_users().has(Role::Executor));
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let roles: Roles = [Role::Submit, Role::Cancel].into_iter().collect();
        assert!(roles.has(Role::Read) && roles.has(Role::Submit) && roles.has(Role::Cancel));
        assert!(!roles.has(Role::Operate));
        assert!(Roles::NONE.is_empty() && !roles.is_empty());
    }
}
