//! What the command says when it cannot do what it was asked.
//!
//! Owns the errors of the command, their exit codes and how they are printed: one line `error: ...`, then complaints
//! one a line, then a hint. Promises: a refusal of the orchestrator keeps its code; nothing is printed twice.

use std::error::Error as _;
use std::path::PathBuf;

use gorch_schema::{Complaint, Problem, RunId};
use gorch_tosca::Told;

use crate::exit::Exit;
use crate::text::{clean, counted};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The orchestrator said no, or nothing.
    #[error(transparent)]
    Client(#[from] gorch_client::Error),
    /// A document that this command itself found wrong.
    #[error("{0}")]
    Document(Box<Problem>),
    /// A TOSCA template, with all that is wrong with it.
    #[error("{count} in {file}", count = counted(told.errors.len(), "error"), file = file.display())]
    Template { file: PathBuf, told: Box<Told> },
    /// A run that says nothing of a template.
    #[error("run {run} is no deploy of `{file}`", file = file.display())]
    NotOfTemplate { run: RunId, file: PathBuf },
    /// An option that means nothing beside the others.
    #[error("{0}")]
    Misplaced(String),
    /// A file of the command line.
    #[error("failed to read `{path}`", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A place to write to.
    #[error("failed to write `{path}`", path = path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// A file of inputs that holds something else.
    #[error("`{path}` holds no inputs (expected one JSON object)", path = path.display())]
    NotInputs { path: PathBuf, source: serde_json::Error },
    /// Something of the command line that must be JSON.
    #[error("{what} is not JSON")]
    NotJson { what: String, source: serde_json::Error },
    /// Something that names no definition.
    #[error("{0}")]
    NotADefinition(String),
    /// Standard output.
    #[error("failed to write the answer")]
    Output(#[source] std::io::Error),
    /// Something that is no run id and no beginning of one.
    #[error("`{0}` is not a run id (expected up to 32 hex digits, the beginning is enough)")]
    NotAnId(String),
    /// A beginning that no run has.
    #[error("there is no run `{0}`")]
    NoSuchRun(String),
    /// A beginning that several runs have.
    #[error("`{prefix}` is the beginning of {} runs: {}", runs.len(), runs.join(", "))]
    Ambiguous { prefix: String, runs: Vec<String> },
    /// An executor that is to drain and cannot be heard.
    #[error("executor `{0}` is lost: nobody hears what is left of its work")]
    Lost(String),
    /// Certificates that cannot be used or made.
    #[error("the certificates in `{dir}` cannot be used", dir = dir.display())]
    Certificates { dir: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    /// An address that cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen { address: String, source: std::io::Error },
    /// A gateway for browsers on an address that others can reach.
    #[error("{0} is not a loopback address (the gateway speaks with your certificate, so it serves this machine only)")]
    NotLoopback(String),
    /// A service of `gorch dev` or `gorch demo` that does not start.
    #[error("the {what} does not start")]
    Service { what: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// A program that the demo's job runs.
    #[error("the demo's job needs `{tool}`, which is not in the PATH")]
    MissingTool { tool: &'static str, package: &'static str },
    /// The home folder is unknown, and with it the default data folder.
    #[error("neither XDG_DATA_HOME nor HOME is set: name the folder with {0}")]
    NoHome(&'static str),
    /// Chaos found something, or could not begin.
    #[error("{0}")]
    Chaos(String),
    /// A store that cannot be looked through or carried.
    #[error(transparent)]
    Store(#[from] gorch_orchestrator::store::Error),
    /// What was to name a store names none.
    #[error("`{flag}` cannot be used")]
    NotAStore { flag: &'static str, source: gorch_orchestrator::config::NotAStore },
    /// The signals of this process.
    #[error("failed to wait for signals")]
    Signals(#[source] std::io::Error),
}

impl Error {
    /// A service that does not start.
    pub(crate) fn service(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Service { what, source: Box::new(source) }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Error::Client(gorch_client::Error::Problem(problem)) => Exit::of_status(problem.status),
            Error::Client(gorch_client::Error::Unreachable { .. } | gorch_client::Error::BrokenOff { .. }) => {
                Exit::Unreachable
            }
            Error::Client(gorch_client::Error::BadUrl { .. })
            | Error::NotAnId(_)
            | Error::NotJson { .. }
            | Error::NotADefinition(_)
            | Error::Misplaced(_)
            | Error::NotAStore { .. }
            | Error::NotLoopback(_) => Exit::Usage,
            Error::NoSuchRun(_) => Exit::NotFound,
            Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Exit::NotFound,
            // Whoever reads has read enough.
            Error::Output(source) if source.kind() == std::io::ErrorKind::BrokenPipe => Exit::Ok,
            Error::Client(
                gorch_client::Error::Strange { .. }
                | gorch_client::Error::Unexpected { .. }
                | gorch_client::Error::BadStream { .. }
                | gorch_client::Error::Certificates(_),
            )
            | Error::Document(_)
            | Error::Template { .. }
            | Error::NotOfTemplate { .. }
            | Error::Read { .. }
            | Error::NotInputs { .. }
            | Error::Chaos(_)
            | Error::Write { .. }
            | Error::Output(_)
            | Error::Ambiguous { .. }
            | Error::Lost(_)
            | Error::Certificates { .. }
            | Error::Listen { .. }
            | Error::Service { .. }
            | Error::MissingTool { .. }
            | Error::NoHome(_)
            | Error::Store(_)
            | Error::Signals(_) => Exit::Error,
        }
    }

    /// What is printed to stderr, lines ended; nothing for a reader that left.
    pub(crate) fn report(&self) -> String {
        if self.exit() == Exit::Ok {
            return String::new();
        }
        // A template's complaints have lines of their own, with the place and the line of the file.
        if let Error::Template { told, .. } = self {
            return format!("{told}{}\n", clean(&self.to_string()));
        }
        let (complaints, count) = self.complaints();
        let mut text = format!("error: {}\n", clean(&self.sentence()));
        for complaint in complaints {
            text.push_str(&format!("  {}\n", clean(&complaint.to_string())));
        }
        if count > complaints.len() {
            text.push_str(&format!("  ... and {} more\n", count - complaints.len()));
        }
        if let Some(hint) = self.hint() {
            text.push_str(&format!("hint: {}\n", clean(&hint)));
        }
        text
    }

    fn complaints(&self) -> (&[Complaint], usize) {
        match self.problem() {
            Some(problem) => (&problem.complaints, problem.complaint_count.unwrap_or_default()),
            None => (&[], 0),
        }
    }

    fn problem(&self) -> Option<&Problem> {
        if let Error::Client(gorch_client::Error::Problem(problem)) | Error::Document(problem) = self {
            return Some(problem);
        }
        None
    }

    /// The error and its causes in one line.
    fn sentence(&self) -> String {
        if let Some(problem) = self.problem()
            && !problem.complaints.is_empty()
        {
            return format!("{} [{}]", problem.title, problem.code);
        }
        let mut sentence = self.to_string();
        let mut causes = Vec::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        if let Error::Client(gorch_client::Error::Unreachable { .. }) = self {
            // The layers of an HTTP client say nothing; the last one does.
            causes.drain(..causes.len().saturating_sub(1));
        }
        for cause in causes.iter().filter(|cause| !cause.is_empty()) {
            if !sentence.contains(cause.as_str()) {
                sentence.push_str(": ");
                sentence.push_str(cause);
            }
        }
        sentence
    }

    /// Is an error of the system of this kind among the causes?
    fn has_cause(&self, kind: std::io::ErrorKind) -> bool {
        let mut cause = self.source();
        while let Some(error) = cause {
            if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == kind) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Client(error) => match error.code() {
                Some("not_allowed") => Some("`gorch whoami` shows what your certificate may do".to_owned()),
                Some("not_found") => Some(
                    "`gorch get` lists the runs, `gorch get ID` the nodes of one, `gorch definitions` what has a name"
                        .to_owned(),
                ),
                Some("forgotten") => Some("a forgotten run cannot be shown again".to_owned()),
                Some(_) | None => {
                    let is_refused = self.has_cause(std::io::ErrorKind::ConnectionRefused);
                    let start = if is_refused { " (`gorch dev` starts one here)" } else { "" };
                    error.hint().map(|hint| format!("{hint}{start}"))
                }
            },
            Error::NoSuchRun(_) => Some("`gorch get` lists the runs".to_owned()),
            Error::Ambiguous { .. } => Some("give more digits".to_owned()),
            Error::Lost(_) => Some("it stays told: it drains when it comes back".to_owned()),
            Error::Certificates { .. } => Some(
                "name the folder with --certs (`gorch dev` keeps one in its data folder, `gorch certs init DIR` makes one)"
                    .to_owned(),
            ),
            Error::MissingTool { package, .. } => Some(format!("on Debian: apt-get install {package}")),
            Error::Listen { .. } | Error::Service { .. } => {
                let is_taken = self.has_cause(std::io::ErrorKind::AddrInUse);
                is_taken.then(|| "somebody listens there already; port 0 takes a free one".to_owned())
            }
            Error::NotLoopback(_) => Some("listen on 127.0.0.1 and forward the port by other means".to_owned()),
            Error::NotOfTemplate { .. } => Some(
                "--of takes a run of the workflow `deploy` of this template; `gorch get` lists the runs".to_owned(),
            ),
            Error::Document(_)
            | Error::Template { .. }
            | Error::Misplaced(_)
            | Error::Read { .. }
            | Error::NotInputs { .. }
            | Error::NotJson { .. }
            | Error::NotADefinition(_)
            | Error::Chaos(_)
            | Error::Write { .. }
            | Error::Output(_)
            | Error::NotAnId(_)
            | Error::NoHome(_)
            | Error::NotAStore { .. }
            | Error::Store(_)
            | Error::Signals(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(problem: Problem) -> Error {
        Error::Client(gorch_client::Error::Problem(Box::new(problem)))
    }

    #[test]
    fn a_refused_document_is_one_line_and_its_complaints() {
        let complaint = |pointer: &str, code: &str| Complaint {
            code: code.into(),
            pointer: pointer.into(),
            found: "`dokcer`".into(),
            expected: "fail, nil, shell or sleep".into(),
        };
        let complaints =
            vec![complaint("/nodes/3/engine", "unknown_engine"), complaint("/nodes/4/engine", "unknown_engine")];
        let error = refused(Problem::of_document(complaints, 7));
        insta::assert_snapshot!(error.report(), @"
        error: the document is not right [bad_document]
          /nodes/3/engine: found `dokcer`, expected fail, nil, shell or sleep [unknown_engine]
          /nodes/4/engine: found `dokcer`, expected fail, nil, shell or sleep [unknown_engine]
          ... and 5 more
        ");
        assert_eq!(error.exit(), Exit::Error);
    }

    #[test]
    fn a_missing_role_and_a_missing_run_have_exit_codes_and_hints() {
        let role = refused(Problem::new("not_allowed", "spiffe://d/gorch/user/bob lacks the role `submit`"));
        let gone = refused(Problem::new("forgotten", "run 019a was forgotten"));
        let several =
            Error::Ambiguous { prefix: "01".into(), runs: vec!["019aa1b2c3d4 (demo)".into(), "019aa1b2c3d5".into()] };
        let reports: Vec<String> =
            [&role, &gone, &several].iter().map(|error| format!("{}{}", error.report(), error.exit() as u8)).collect();
        insta::assert_snapshot!(reports.join("\n"), @"
        error: spiffe://d/gorch/user/bob lacks the role `submit` [not_allowed]
        hint: `gorch whoami` shows what your certificate may do
        4
        error: run 019a was forgotten [forgotten]
        hint: a forgotten run cannot be shown again
        3
        error: `01` is the beginning of 2 runs: 019aa1b2c3d4 (demo), 019aa1b2c3d5
        hint: give more digits
        1
        ");
    }

    #[tokio::test]
    async fn nobody_there_says_what_to_do() {
        gorch_certs::install_provider();
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let client = gorch_client::Client::new(&format!("http://{free}"), reqwest::Client::new()).unwrap();
        let error = Error::from(client.whoami().await.unwrap_err());
        assert_eq!(error.exit(), Exit::Unreachable);
        insta::assert_snapshot!(error.report().replace(&free.port().to_string(), "PORT"), @"
        error: no answer from http://127.0.0.1:PORT: Connection refused (os error 111)
        hint: is it running, and is the address right? (`gorch dev` starts one here)
        ");
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let error = Error::Output(std::io::ErrorKind::BrokenPipe.into());
        assert_eq!((error.exit(), error.report().as_str()), (Exit::Ok, ""));
    }
}
