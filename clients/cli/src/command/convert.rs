//! `gorch convert`: a template becomes a document.
//!
//! Owns where the document goes and how it names its files: from the template's folder on stdout, from its own folder in
//! a file. Promises that a document is there whole or not at all, and that files of an archive are written below
//! `DOCUMENT.files` and nowhere else.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gorch_tosca::Converted;
use serde_json::Value;

use super::{template, travel};
use crate::args::ConvertArgs;
use crate::command::print;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::text::counted;

/// With what a run said, which the orchestrator has to be asked for.
pub(super) async fn run_of(args: ConvertArgs, context: &Context) -> Result<Exit, Error> {
    let said = template::attributes(&context.client()?, &args.file, &args.inputs, &args.template).await?;
    convert(&args, context, said)
}

/// Alone.
pub(super) fn run(args: &ConvertArgs, context: &Context) -> Result<Exit, Error> {
    convert(args, context, None)
}

fn convert(args: &ConvertArgs, context: &Context, attributes: Option<Value>) -> Result<Exit, Error> {
    if args.from.is_none() && !template::is_template(&args.file) && args.file.exists() {
        let message = format!(
            "`{}` is no template by its name (.yaml, .yml, .tosca, .csar, .zip, a folder); --from tosca says that it is one",
            args.file.display()
        );
        return Err(Error::Misplaced(message));
    }
    let options = template::options(&args.inputs, &args.template, attributes);
    let target = context.file.as_deref().filter(|_| !args.plan).map(Target::new).transpose()?;
    let converted = template::convert(&args.file, &options, &|folder, file| match &target {
        None => travel::named(file),
        Some(target) => travel::named(&target.path_of(folder, file)),
    })?;
    match &target {
        Some(target) => target.write(&converted)?,
        None if args.plan => print(&converted.plan())?,
        None => {
            print(&converted.document)?;
            if converted.folder().is_none() && !converted.files.is_empty() {
                let files = counted(converted.files.len(), "file");
                eprintln!("hint: the document names {files} of the archive; `-o gorch.json` writes them beside it");
            }
        }
    }
    Ok(Exit::Ok)
}

/// Where a document is written.
struct Target {
    path: PathBuf,
    /// The real folder.
    folder: PathBuf,
    /// The folder of files that came out of an archive, beside the document.
    files: String,
}

impl Target {
    fn new(path: &Path) -> Result<Target, Error> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder).map_err(failed)?;
        Ok(Target { path: path.to_owned(), folder, files: format!("{}.files", name.to_string_lossy()) })
    }

    /// A file of the template, from the document's folder.
    fn path_of(&self, template: Option<&Path>, file: &str) -> String {
        match template {
            Some(template) => relative(&self.folder, &template.join(file)).to_string_lossy().into_owned(),
            None => format!("{}/{file}", self.files),
        }
    }

    /// The document comes last: what it names is there before it is.
    fn write(&self, converted: &Converted) -> Result<(), Error> {
        if converted.folder().is_none() {
            for file in &converted.files {
                let content = converted.read(file).map_err(|source| Error::Read { path: file.into(), source })?;
                whole(&self.folder.join(&self.files).join(file), &content)?;
            }
            if !converted.files.is_empty() {
                eprintln!("{} of the archive are in `{}`", counted(converted.files.len(), "file"), self.files);
            }
        }
        whole(&self.path, converted.document.as_bytes())
    }
}

/// Writes a file so that nobody sees half of it; one that has this content already is left alone.
fn whole(path: &Path, content: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let all = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(all).tempfile_in(folder).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The way from a folder to a path; both are real and absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Path::new(".."));
    up.chain(to.components().skip(shared).map(|piece| Path::new(piece.as_os_str()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_leads_up_as_far_as_it_must() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/a/b", "/a/b/c/d.sh"), "c/d.sh");
        assert_eq!(way("/a/b", "/a/x/d.sh"), "../x/d.sh");
        assert_eq!(way("/a/b", "/d.sh"), "../../d.sh");
        assert_eq!(way("/", "/a/d.sh"), "a/d.sh");
    }
}
