//! The command line.
//!
//! Owns every command, option and line of `--help`. Never does anything.

mod certs;
mod definitions;
mod doctor;
mod executors;
mod store;
mod template;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use gorch_orchestrator::retention::{Bound, Bytes};

use crate::context::{Answer, AnswerParser, DEFAULT_URL};
use crate::exit;
use crate::text::parse_duration;
pub(crate) use certs::{CertsCommand, CertsInitArgs, CertsIssueArgs, CertsRenewArgs, CertsShowArgs, IdentityKind};
pub(crate) use definitions::{DefinitionsArgs, DefinitionsCommand};
pub(crate) use doctor::{ChaosArgs, DoctorCommand};
pub(crate) use executors::{ExecutorsArgs, ExecutorsCommand};
pub(crate) use store::{StoreArgs, StoreCommand};
pub(crate) use template::{ConvertArgs, InputArgs, InputText, TemplateArgs, Via};

/// Runs graphs: submit one, watch it, see why it waits.
#[derive(Debug, Parser)]
#[command(name = "gorch", version, after_help = exit::HELP, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The orchestrator (or a loopback gateway: http://127.0.0.1:8080)
    #[arg(long, global = true, env = "GORCH_URL", default_value = DEFAULT_URL)]
    pub(crate) url: String,
    /// The folder with ca.pem, client.pem and client.key [default: gorch/certs in $XDG_DATA_HOME]
    #[arg(long, global = true, env = "GORCH_CERTS", value_name = "DIR")]
    pub(crate) certs: Option<PathBuf>,
    /// How answers are printed; of `convert` a file, too
    #[arg(short = 'o', long = "output", global = true, value_parser = AnswerParser, default_value = "text")]
    pub(crate) output: Answer,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything in a scratch folder, run a real job, show it live
    Demo(DemoArgs),
    /// Run an orchestrator and an executor here, over mutual TLS
    Dev(DevArgs),
    /// Run an orchestrator: all of gorch-orchestrator
    #[command(disable_help_flag = true)]
    Orchestrator {
        /// Its options: gorch orchestrator --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Run an executor: all of gorch-executor
    #[command(disable_help_flag = true)]
    Executor {
        /// Its options: gorch executor --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Submit a document, or start one that is kept under a name; prints the run's id
    Submit(SubmitArgs),
    /// Keep documents under their names
    Apply(ApplyArgs),
    /// List what is kept under a name; print it, delete it
    Definitions(DefinitionsArgs),
    /// List runs, or show one with its nodes
    Get(GetArgs),
    /// Follow a run until it ends; the exit code is the run's
    Watch(WatchArgs),
    /// Show what a node wrote to stdout and stderr
    Logs(LogsArgs),
    /// Stop a run, or a node of it
    Cancel(CancelArgs),
    /// Let nothing new of a run start; what runs goes on
    Pause(IdArgs),
    /// Let a paused run go on
    Resume(IdArgs),
    /// Run a run that has ended again, or what failed of it; prints the new run's id
    Rerun(RerunArgs),
    /// Take back what a run did, in a new run; prints its id
    Undo(UndoArgs),
    /// Say yes to a node that waits for an approval
    Approve(AnswerArgs),
    /// Say no to a node that waits for an approval; it fails
    Refuse(AnswerArgs),
    /// Send a signal to a run
    Signal(SignalArgs),
    /// Check documents and TOSCA templates and show the plan; runs nothing
    Validate(ValidateArgs),
    /// Say why a node is not running
    Why(WhyArgs),
    /// Make a document of a TOSCA template (no orchestrator needed)
    Convert(ConvertArgs),
    /// Print a document as a picture, as edges or as a matrix (no orchestrator needed)
    Graph(GraphArgs),
    /// Make and look at certificates
    #[command(subcommand)]
    Certs(CertsCommand),
    /// Open the API to programs and pages on this machine; holds the certificate for them
    Proxy(ProxyArgs),
    /// Show runs in a browser on this machine; prints the link by which it comes in
    Ui(UiArgs),
    /// Keep files for graphs, and get them back
    #[command(subcommand)]
    Artifacts(ArtifactsCommand),
    /// Look a store through, back it up, bring it back, move it (no orchestrator needed)
    #[command(subcommand)]
    Store(StoreCommand),
    /// List the executors; let one end what it has
    Executors(ExecutorsArgs),
    /// Show what is kept of ended runs, and what was deleted
    Retention,
    /// Show who the orchestrator thinks you are
    Whoami,
    /// Find out what this machine and a store can bear
    #[command(subcommand)]
    Doctor(DoctorCommand),
    /// Print a completion script: gorch completion bash > /etc/bash_completion.d/gorch
    Completion {
        /// For which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the scratch folder and print where it is
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Where runs are kept, and in its folder `certs` the certificates [default: gorch in $XDG_DATA_HOME]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where the orchestrator listens (port 0: any free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(crate) listen: SocketAddr,
    /// Where the executor listens (port 0: any free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8585")]
    pub(crate) executor_listen: SocketAddr,
    /// Where browsers come in, as with `gorch ui` [default: 127.0.0.1:8081, or any free port where that is taken]
    #[arg(long, value_name = "ADDR")]
    pub(crate) ui_listen: Option<SocketAddr>,
    /// Attempts that run at once [default: cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) slots: Option<u32>,
    /// Where relative artifact paths begin [default: here]
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// Runs that ended longer ago than this are deleted; off: never [default: 30d]
    #[arg(long, value_name = "DURATION")]
    pub(crate) keep_age: Option<Bound<std::time::Duration>>,
    /// Of more ended runs than this those that ended first are deleted [default: 100000]
    #[arg(long, value_name = "N")]
    pub(crate) keep_runs: Option<Bound<u64>>,
    /// While the store uses more than this, runs that ended first are deleted [default: 20GiB]
    #[arg(long, value_name = "BYTES")]
    pub(crate) keep_bytes: Option<Bound<Bytes>>,
    /// What jobs wrote is deleted so long after the end of their run [default: 14d]
    #[arg(long, value_name = "DURATION")]
    pub(crate) keep_logs_age: Option<Bound<std::time::Duration>>,
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) what: SubmitWhat,
    #[command(flatten)]
    pub(crate) given: Given,
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Follow the run until it ends
    #[arg(long, conflicts_with = "wait")]
    pub(crate) watch: bool,
    /// Wait for the run's end and print its verdict
    #[arg(long)]
    pub(crate) wait: bool,
    /// With --watch or --wait: at most so long ("90s", "1h 30m")
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<std::time::Duration>,
    /// Idempotency key: submitting the same document again with it is the same run
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Run every node, also where its `cache` has a result
    #[arg(long)]
    pub(crate) no_cache: bool,
}

/// What is run.
#[derive(Debug, Args)]
pub(crate) struct SubmitWhat {
    /// A gorch document, or - for stdin; or a TOSCA template (.yaml, .yml, .tosca), a CSAR (.csar, .zip), or a folder with one
    #[arg(value_name = "FILE", required_unless_present = "definition")]
    pub(crate) file: Option<PathBuf>,
    /// Instead of a file: a document that is kept under this name
    #[arg(long, value_name = "NAME[@REVISION]", conflicts_with = "file")]
    pub(crate) definition: Option<gorch_schema::DefinitionAt>,
    /// The namespace of the definition
    #[arg(long, value_name = "NAMESPACE", requires = "definition", default_value = "")]
    pub(crate) namespace: String,
}

/// What is said besides.
#[derive(Debug, Args)]
pub(crate) struct Given {
    #[command(flatten)]
    pub(crate) inputs: InputArgs,
    /// The run's name instead of the document's
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

fn parse_input(text: &str) -> Result<(String, serde_json::Value), &'static str> {
    text.parse().map(|input: InputText| (input.key.clone(), input.value()))
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A folder, every .json below it a definition: web/ship.json is `web.ship`; or one file
    #[arg(short = 'f', value_name = "PATH")]
    pub(crate) from: PathBuf,
    /// Into this namespace [default: the document's own]
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Say what would change; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// A run id, or its beginning; without it runs are listed
    pub(crate) id: Option<String>,
    /// List at most so many runs
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "id")]
    pub(crate) limit: u32,
    /// List only runs in this state
    #[arg(long, value_name = "STATE", conflicts_with = "id", value_parser = crate::text::parse_state)]
    pub(crate) state: Option<gorch_schema::view::State>,
    /// List only runs of this name
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// A run id, or its beginning
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// A run id, or its beginning
    pub(crate) id: String,
    /// Only this node, by name or id; the run goes on
    pub(crate) node: Option<String>,
    /// Only this item of its `each`, from 0
    #[arg(long, value_name = "N", requires = "node")]
    pub(crate) item: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct RerunArgs {
    /// A run id, or its beginning; the run must have ended
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) what: RerunWhat,
    /// By this document from now on, or - for stdin: nodes that differ, and what comes after them; with one of the above
    /// that, too
    #[arg(long, value_name = "FILE")]
    pub(crate) changed_by: Option<PathBuf>,
    /// An input over those that the run had, its value as with `gorch submit --input`: what reads it is run again, too
    /// (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_input)]
    pub(crate) set: Vec<(String, serde_json::Value)>,
    /// Only tell what would be run again, and what would be copied
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Follow the new run until it ends
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) watch: bool,
}

/// From where on; what is not run again is copied.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct RerunWhat {
    /// What failed or was cancelled, and what comes after it [default, without --changed-by]
    #[arg(long)]
    pub(crate) failed: bool,
    /// These nodes, by name, and what comes after them
    #[arg(long, value_name = "NODE", num_args = 1..)]
    pub(crate) from: Vec<String>,
    /// Everything
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// A run id, or its beginning; the run must have ended
    pub(crate) id: String,
    /// Follow the new run until it ends
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// A run id, or its beginning
    pub(crate) id: String,
    /// A node's name or id
    pub(crate) node: String,
    /// Why; it stands with the step
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Only this item of its `each`, from 0
    #[arg(long, value_name = "N")]
    pub(crate) item: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct SignalArgs {
    /// A run id, or its beginning
    pub(crate) id: String,
    /// The signal's name
    pub(crate) name: String,
    /// What comes with it: JSON, or - for stdin
    #[arg(value_name = "JSON")]
    pub(crate) data: Option<String>,
    /// Idempotency key: the same key again is the same signal
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// A run id, or its beginning
    pub(crate) id: String,
    /// One line per change, on a terminal too
    #[arg(long)]
    pub(crate) lines: bool,
    /// At most so long ("90s", "1h 30m")
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<std::time::Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// A run id, or its beginning
    pub(crate) id: String,
    /// A node's name or id
    pub(crate) node: String,
    /// Follow what is written until the attempt ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Which attempt, from 1 [default: the latest]
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<u32>,
    /// Only the last so many lines
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// Gorch documents, or - for stdin; TOSCA templates, CSARs, folders with one (for these no orchestrator is needed)
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Templates apart from their neighbours: what a file imports that is not there is nobody's fault
    #[arg(long)]
    pub(crate) partial: bool,
}

/// What to do with files.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsCommand {
    /// Upload a file; prints how nodes name it (`gorch submit` does this for `"artifact": "file:./deploy.sh"`)
    Put {
        /// The file
        file: PathBuf,
    },
    /// Download what a node left; prints the files
    Of {
        /// A run id, or its beginning
        id: String,
        /// A node's name or id
        node: String,
        /// Only what the node left under this name
        name: Option<String>,
        /// Into this folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        to: PathBuf,
    },
    /// Download a file
    Get {
        /// Its SHA-256, with or without `sha256:`
        #[arg(value_name = "SHA256", value_parser = parse_digest)]
        artifact: gorch_schema::Digest,
        /// Where to [default: its SHA-256, here]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

fn parse_digest(text: &str) -> Result<gorch_schema::Digest, gorch_schema::digest::NotADigest> {
    text.strip_prefix("sha256:").unwrap_or(text).parse()
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// A run id, or its beginning
    pub(crate) id: String,
    /// A node's name or id
    pub(crate) node: String,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A gorch document, or - for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// dot: for Graphviz; json: the same graph with `edges`; matrix: the adjacency matrix
    #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
    pub(crate) format: GraphFormat,
}

/// How a graph is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Dot,
    Json,
    Matrix,
}

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Where browsers connect; a loopback address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct UiArgs {
    /// Where browsers connect; a loopback address [default: 127.0.0.1:8081, or any free port where that is taken]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_help_names_every_command_and_every_exit_code() {
        let mut command = Cli::command().mut_args(|arg| arg.hide_env_values(true)).term_width(100);
        insta::assert_snapshot!(command.render_help(), @"
        Runs graphs: submit one, watch it, see why it waits

        Usage: gorch [OPTIONS] <COMMAND>

        Commands:
          demo          Start everything in a scratch folder, run a real job, show it live
          dev           Run an orchestrator and an executor here, over mutual TLS
          orchestrator  Run an orchestrator: all of gorch-orchestrator
          executor      Run an executor: all of gorch-executor
          submit        Submit a document, or start one that is kept under a name; prints the run's id
          apply         Keep documents under their names
          definitions   List what is kept under a name; print it, delete it
          get           List runs, or show one with its nodes
          watch         Follow a run until it ends; the exit code is the run's
          logs          Show what a node wrote to stdout and stderr
          cancel        Stop a run, or a node of it
          pause         Let nothing new of a run start; what runs goes on
          resume        Let a paused run go on
          rerun         Run a run that has ended again, or what failed of it; prints the new run's id
          undo          Take back what a run did, in a new run; prints its id
          approve       Say yes to a node that waits for an approval
          refuse        Say no to a node that waits for an approval; it fails
          signal        Send a signal to a run
          validate      Check documents and TOSCA templates and show the plan; runs nothing
          why           Say why a node is not running
          convert       Make a document of a TOSCA template (no orchestrator needed)
          graph         Print a document as a picture, as edges or as a matrix (no orchestrator needed)
          certs         Make and look at certificates
          proxy         Open the API to programs and pages on this machine; holds the certificate for them
          ui            Show runs in a browser on this machine; prints the link by which it comes in
          artifacts     Keep files for graphs, and get them back
          store         Look a store through, back it up, bring it back, move it (no orchestrator needed)
          executors     List the executors; let one end what it has
          retention     Show what is kept of ended runs, and what was deleted
          whoami        Show who the orchestrator thinks you are
          doctor        Find out what this machine and a store can bear
          completion    Print a completion script: gorch completion bash > /etc/bash_completion.d/gorch

        Options:
              --url <URL>        The orchestrator (or a loopback gateway: http://127.0.0.1:8080) [env:
                                 GORCH_URL] [default: https://127.0.0.1:8443]
              --certs <DIR>      The folder with ca.pem, client.pem and client.key [default: gorch/certs in
                                 $XDG_DATA_HOME] [env: GORCH_CERTS]
          -o, --output <OUTPUT>  How answers are printed; of `convert` a file, too [default: text] [possible
                                 values: text, json]
          -h, --help             Print help (see more with '--help')
          -V, --version          Print version

        Exit codes:
          0    done; the run that was waited for succeeded
          1    error
          2    the command line is wrong
          3    no such run or node
          4    the identity of the certificate may not do this
          5    the run that was waited for failed
          6    the run that was waited for was cancelled
          7    the run had not ended when --timeout did
          8    the orchestrator cannot be reached
          130  interrupted; a run goes on without its watcher
        ");
    }

    #[test]
    fn a_rerun_begins_in_one_way_and_a_dry_one_is_not_watched() {
        let refused = |line: &str| Cli::try_parse_from(line.split(' ')).is_err();
        assert!(!refused("gorch rerun 019a --from a b --set k=1 --set l=x --dry-run"));
        assert!(refused("gorch rerun 019a --from a --all"));
        assert!(!refused("gorch rerun 019a --failed --changed-by x.json"));
        assert!(refused("gorch rerun 019a --failed --all"));
        assert!(refused("gorch rerun 019a --watch --dry-run"));
        assert!(refused("gorch rerun 019a --set k"));
        assert!(refused("gorch cancel 019a --item 1"));
    }
}
