//! A gateway as a process of a test's own, and requests to it byte by byte, as a browser or an attacker would send them.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};

use serde_json::de::IoRead;
use serde_json::{StreamDeserializer, Value};

use crate::support::{Dev, signal};

/// A running `gorch proxy` or `gorch ui`.
pub(crate) struct Gateway {
    child: Child,
    told: StreamDeserializer<'static, IoRead<ChildStdout>, Value>,
    /// What it said once it was ready.
    pub(crate) ready: Value,
    /// Where it listens, as browsers name it.
    pub(crate) host: String,
}

impl Gateway {
    /// Starts one of these commands for the orchestrator of a house.
    pub(crate) fn start(dev: &Dev, command: &str) -> Self {
        let mut command = dev.command(&[command, "-o", "json", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut told = serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
        let ready = told.next().expect("it ended before it was ready").unwrap();
        let host = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Gateway { child, told, ready, host }
    }

    /// The next thing that it says; waits for it.
    pub(crate) fn told(&mut self) -> Value {
        self.told.next().expect("it ended").unwrap()
    }

    /// Sends a request head with these lines and a body; the stream behind it.
    pub(crate) fn send(&self, request: &str, headers: &[&str], body: &str) -> BufReader<TcpStream> {
        let mut tcp = TcpStream::connect(&self.host).unwrap();
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        write!(tcp, "{request} HTTP/1.1\r\n{lines}{length}connection: close\r\n\r\n{body}").unwrap();
        BufReader::new(tcp)
    }

    pub(crate) fn ask(&self, request: &str, headers: &[&str], body: &str) -> String {
        let mut text = String::new();
        self.send(request, headers, body).read_to_string(&mut text).unwrap();
        text
    }

    /// The header that names it.
    pub(crate) fn host(&self) -> String {
        format!("host: {}", self.host)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        signal(self.child.id(), "TERM");
        signal(self.child.id(), "TERM");
        let _ = self.child.wait();
    }
}
