//! `gorch certs`: an authority of one's own.

use std::path::Path;
use std::time::Duration;

use gorch_certs::show::Shown;
use gorch_certs::store::{self, Issuance, Made, Options, RoleFile};
use gorch_certs::{Kind, Role};

use crate::args::{CertsCommand, CertsInitArgs, CertsIssueArgs, CertsRenewArgs, CertsShowArgs, IdentityKind};
use crate::command::{print, say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::clean;

pub(super) fn run(command: CertsCommand, context: &Context) -> Result<Exit, Error> {
    match command {
        CertsCommand::Init(args) => init(&args, context.output),
        CertsCommand::Issue(args) => issue(args, context),
        CertsCommand::Renew(args) => renew(args, context),
        CertsCommand::Show(args) => show(args, context),
    }
}

fn init(args: &CertsInitArgs, output: Output) -> Result<Exit, Error> {
    let made = store::init_for(&args.dir, &args.domain, &args.names).map_err(failed(&args.dir))?;
    if output == Output::Json {
        say_json(&made)?;
        return Ok(Exit::Ok);
    }
    for made in &made {
        match made {
            Made::Created(path) => say(&format!("made  {}", path.display()))?,
            Made::Kept(path) => say(&format!("kept  {}", path.display()))?,
            Made::Wanting(path, why) => say(&format!("      {} {why}", path.display()))?,
        }
    }
    let dir = args.dir.display();
    if made.iter().any(|made| matches!(made, Made::Wanting(..))) {
        let names: String = args.names.iter().map(|name| format!(" --name {name}")).collect();
        say(&format!("what is kept is not changed; to have it new: gorch certs renew {dir}{names}"))?;
    }
    say(&format!(
        "try:  curl --cacert {dir}/ca.pem --cert {dir}/client.pem --key {dir}/client.key https://127.0.0.1:8443/v1/tasks"
    ))?;
    Ok(Exit::Ok)
}

fn issue(args: CertsIssueArgs, context: &Context) -> Result<Exit, Error> {
    let dir = match args.dir {
        Some(dir) => dir,
        None => context.certs()?,
    };
    let kind = match args.kind {
        IdentityKind::Orchestrator => Kind::Orchestrator,
        IdentityKind::Executor => Kind::Executor,
        IdentityKind::User => Kind::User,
    };
    let roles = args.roles.iter().map(|word| role(word)).collect::<Result<Vec<Role>, _>>().map_err(failed(&dir))?;
    let mut options = Options { names: args.hosts, roles, ..Options::default() };
    if let Some(days) = args.days {
        options.validity = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    }
    let issued = store::issue(&dir, kind, &args.name, &options).map_err(failed(&dir))?;
    match context.output {
        Output::Json => say_json(&issued)?,
        Output::Text => print(&issuance(&issued))?,
    }
    Ok(Exit::Ok)
}

fn renew(args: CertsRenewArgs, context: &Context) -> Result<Exit, Error> {
    let dir = match args.dir {
        Some(dir) => dir,
        None => context.certs()?,
    };
    let renewed = store::renew(&dir, &args.names).map_err(failed(&dir))?;
    if context.output == Output::Json {
        say_json(&renewed)?;
        return Ok(Exit::Ok);
    }
    for one in &renewed {
        say(&format!("renewed  {}  {}  until {}", one.cert.display(), one.identity, one.not_after))?;
        if !one.names.is_empty() {
            say(&format!("         names {}", one.names.join(", ")))?;
        }
    }
    Ok(Exit::Ok)
}

fn role(word: &str) -> Result<Role, UnknownRole> {
    Role::OF_USERS.into_iter().find(|role| role.as_str() == word).ok_or_else(|| UnknownRole { found: word.to_owned() })
}

/// A word that is no role of users.
#[derive(Debug, thiserror::Error)]
#[error("`{found}` is not a role of users (expected one of {})", Role::OF_USERS.map(Role::as_str).join(", "))]
struct UnknownRole {
    found: String,
}

fn issuance(issued: &Issuance) -> String {
    let mut text = format!(
        "identity     {}\ncertificate  {}\nkey          {}\nvalid until  {}\nroles        {}\n",
        issued.identity,
        issued.cert.display(),
        issued.key.display(),
        issued.not_after,
        issued.roles,
    );
    match issued.role_map {
        RoleFile::Untouched => {}
        RoleFile::Extended => text.push_str("roles.toml   one line added\n"),
        RoleFile::Created => {
            text.push_str("roles.toml   made; from now on only users that it names may do anything\n");
        }
    }
    text
}

fn show(args: CertsShowArgs, context: &Context) -> Result<Exit, Error> {
    let path = match args.path {
        Some(path) => path,
        None => context.certs()?,
    };
    let shown = gorch_certs::show::show(&path).map_err(failed(&path))?;
    match context.output {
        Output::Json => say_json(&shown)?,
        Output::Text => {
            for shown in &shown {
                print(&text(shown))?;
            }
        }
    }
    let all_well = shown.iter().all(|shown| shown.problems.is_empty());
    Ok(if all_well { Exit::Ok } else { Exit::Error })
}

fn text(shown: &Shown) -> String {
    let mut text = format!("{}\n", shown.path.display());
    let mut line = |key: &str, value: &str| text.push_str(&format!("  {key:<12} {}\n", clean(value)));
    if let Some(certificate) = &shown.certificate {
        match &certificate.identity {
            Some(identity) => line("identity", &identity.to_string()),
            None if certificate.authority => line("authority", &certificate.subject),
            None => line("subject", &certificate.subject),
        }
        if let Some(roles) = &certificate.roles {
            line("roles", &roles.to_string());
        }
        line("issuer", &certificate.issuer);
        if !certificate.names.is_empty() {
            line("names", &certificate.names.join(", "));
        }
        line("valid", &format!("{} to {}", certificate.not_before, certificate.not_after));
        line("fingerprint", &certificate.fingerprint);
    }
    for problem in &shown.problems {
        line("PROBLEM", problem);
    }
    text
}

fn failed<E: std::error::Error + Send + Sync + 'static>(dir: &Path) -> impl Fn(E) -> Error {
    let dir = dir.to_owned();
    move |source| Error::Certificates { dir: dir.clone(), source: Box::new(source) }
}
