//! The command line of `gorch store`.
//!
//! Owns its commands, options and lines of `--help`. Never does anything.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gorch_orchestrator::config::StoreName;

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Look a store through and say all that is wrong with it; changes nothing
    Check(StoreArgs),
    /// Write a store and its artifacts into a new file, also while orchestrators use it
    Backup {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        of: StoreArgs,
    },
    /// Make a store of a backup, where there is none
    Restore {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        to: StoreArgs,
    },
    /// Carry a store to a place where there is none; its runs go on there
    Migrate {
        /// The store that there is; no orchestrator may use it
        #[arg(long, value_name = "STORE")]
        from: StoreName,
        /// Where it goes: a folder without a store, or an empty database
        #[arg(long, value_name = "STORE")]
        to: StoreName,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The store: sqlite:DIR or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "STORE", env = "GORCH_STORE", hide_env_values = true)]
    pub(crate) store: StoreName,
    /// Folder with artifacts: an orchestrator's --data [default: DIR of sqlite:DIR; PostgreSQL has them itself] (may be repeated, but for `restore`)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::args::Cli;

    #[test]
    fn the_help_of_a_store_names_what_can_be_done_with_it() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let store = command.find_subcommand_mut("store").unwrap();
        insta::assert_snapshot!(store.render_help().to_string().split("Options:").next().unwrap(), @"
        Look a store through, back it up, bring it back, move it (no orchestrator needed)

        Usage: gorch store [OPTIONS] <COMMAND>

        Commands:
          check    Look a store through and say all that is wrong with it; changes nothing
          backup   Write a store and its artifacts into a new file, also while orchestrators use it
          restore  Make a store of a backup, where there is none
          migrate  Carry a store to a place where there is none; its runs go on there
        ");
    }

    #[test]
    fn a_store_is_named_and_a_wrong_name_is_refused_without_being_shown() {
        let read = |line: &str| Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string());
        assert!(read("gorch store check --store sqlite:x").is_ok());
        assert!(read("gorch store migrate --from sqlite:x --to postgres://ann@localhost/x").is_ok());
        assert!(read("gorch store migrate --from sqlite:x").is_err());
        // What it says of that is looked at where the program runs.
        let wrong = "postgres://ann:s3cret@db.example/x?sslmode=disable";
        for line in ["store check --store", "store backup f --store", "store migrate --to sqlite:x --from"] {
            let named = read(&format!("gorch {line} {wrong}")).unwrap();
            assert!(!format!("{named:?}").contains("s3cret"), "{named:?}");
        }
    }
}
