//! Who is speaking: identities, roles, certificates, and the two ends of a mutual TLS connection.
//!
//! Owns every line that knows TLS: nobody else in the workspace names rustls. Promises that a request
//! that reaches a service over [`serve()`] carries a [`Peer`] whose certificate our authority signed, is
//! valid *now*, and names exactly one identity. Never decides what a role may do: that is the API's.

pub mod authority;
mod cause;
pub mod client;
mod connection;
pub mod credentials;
pub mod facts;
mod files;
pub mod foreign;
pub mod hint;
pub mod identity;
mod keyring;
mod peer;
mod provider;
mod refusal;
pub mod role;
pub mod rolemap;
pub mod serve;
pub mod show;
pub mod store;
mod stream;
pub mod verify;
pub mod watch;

pub use authority::{Authority, Issued, Request};
pub use client::{Caller, Connector, Protocol};
pub use credentials::{Credentials, Files, Origin};
pub use facts::{Facts, Fingerprint};
pub use foreign::Foreign;
pub use hint::explain;
pub use identity::{Identity, Kind};
pub use peer::Peer;
pub use provider::install_provider;
pub use refusal::Refusal;
pub use role::{Role, Roles};
pub use rolemap::RoleMap;
pub use serve::{Limits, serve, serve_plain, serve_with, service};
pub use verify::Expect;
pub use watch::{Standing, Watch};
