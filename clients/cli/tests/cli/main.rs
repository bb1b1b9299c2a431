//! The command as people meet it: real processes, real sockets, real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod browser;
mod commands;
mod demo;
mod examples;
mod pages;
mod proxy;
mod support;
mod tosca;
mod ui;
