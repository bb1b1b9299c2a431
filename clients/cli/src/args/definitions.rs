//! The command line of what is kept under names.
//!
//! Owns the options of `gorch definitions`. Never does anything.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct DefinitionsArgs {
    /// Of this namespace [default: the list shows all, a name is looked for in the default one]
    #[arg(long, value_name = "NAMESPACE", global = true)]
    pub(crate) namespace: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<DefinitionsCommand>,
}

/// What to do with a definition; without it they are listed.
#[derive(Debug, Subcommand)]
pub(crate) enum DefinitionsCommand {
    /// Print the document of a definition
    Get {
        /// Its name, and perhaps a revision
        #[arg(value_name = "NAME[@REVISION]")]
        definition: gorch_schema::DefinitionAt,
        /// List its revisions instead
        #[arg(long)]
        revisions: bool,
    },
    /// Delete a definition with all of its revisions; runs go on
    Delete {
        /// Its name
        name: gorch_schema::DefinitionName,
    },
}
