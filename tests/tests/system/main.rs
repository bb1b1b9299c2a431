//! The whole system: real processes on loopback, over mutual TLS, with kill -9 and bad manners.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod again;
mod artifacts;
mod bad_input;
mod cancel;
mod chaos;
mod containers;
mod crash;
mod databases;
mod definitions;
mod deployed;
mod drivers;
mod fair;
mod fleet;
mod hosts;
mod life;
mod many;
mod placing;
mod playbooks;
mod progress;
mod retention;
mod secrets;
mod several;
mod shared_artifacts;
mod stores;
mod tosca;
mod upgrade;
mod whole_life;
