//! Files that a node gives its job beside the artifact: brought here and put in place.
//!
//! Owns the making of the folder that they stand in. Promises that nobody else can enter it before it is whole, so that
//! nothing is ever written through somebody's link; that what begins with `#!` can be run, and nothing else; and that a
//! stop ends the copying. Never holds a file in memory, and never says what may be run: that is each driver's.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};
use gorch_schema::work::Work;
use gorch_schema::{Failure, FilePath, failure_code};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{Ending, Finish, Job, Settings, fetch};
use crate::artifacts::Kept;
use crate::chain::Chain;
use crate::confine::Account;

/// What names the folder to a job.
pub(super) const VARIABLE: &str = "GORCH_FILES";

/// So many are fetched at once.
const FETCHES: usize = 8;

/// A stop is looked for after so many bytes.
const PIECE: u64 = 8 << 20;

/// A file of a node that is here, for as long as this is.
pub(super) struct Given {
    pub(super) path: FilePath,
    pub(super) kept: Kept,
}

/// Why the folder is not made.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the files' folder cannot be made")]
    Folder(#[source] io::Error),
    #[error("the file `{path}` cannot be put in place")]
    File {
        path: FilePath,
        #[source]
        source: io::Error,
    },
    #[error("the job is stopped")]
    Stopped,
}

/// The node's files, fetched; the end of the job, where one does not come.
pub(super) async fn fetch(settings: &Settings, job: &Job) -> Result<Vec<Given>, Finish> {
    let files: Vec<_> = job.work.settings.files.iter().map(|(path, digest)| (path.clone(), digest)).collect();
    let fetches = stream::iter(files).map(|(path, digest)| async move {
        let kept = fetch::content(settings, job, digest, &format!("the file `{path}` cannot be had: ")).await?;
        Ok(Given { path, kept })
    });
    fetches.buffered(FETCHES).try_collect().await
}

/// Fetches the node's files and puts them, and one more that is here, into a folder of the attempt's, which is the owner's
/// afterwards; `None` where the node has none. The end of the job, where that fails or is stopped.
pub(super) async fn furnish(
    settings: &Settings,
    job: &Job,
    more: Option<Given>,
    owner: Option<&Account>,
) -> Result<Option<PathBuf>, Finish> {
    if job.work.settings.files.is_empty() {
        return Ok(None);
    }
    let ended =
        |error: &dyn std::error::Error| failed(Failure::new(failure_code::SPAWN_FAILED, Chain(error).to_string()));
    let mut given = fetch(settings, job).await?;
    given.extend(more);
    let place = job.start.place().map_err(|error| ended(&error))?;
    let (folder, owner, stop) = (place.tmp().join("files"), owner.cloned(), job.stop.clone());
    let made = spawn_blocking(move || fill(&folder, &given, owner.as_ref(), &stop).map(|()| folder));
    match made.await {
        Ok(Ok(folder)) => Ok(Some(folder)),
        Ok(Err(Error::Stopped)) => Err(Finish::without_output(Ending::Stopped, Ok(()))),
        Ok(Err(error @ (Error::Folder(_) | Error::File { .. }))) => Err(ended(&error)),
        Err(panic) => Err(ended(&panic)),
    }
}

fn failed(failure: Failure) -> Finish {
    Finish::without_output(Ending::ByItself, Err(failure))
}

/// The file of the node's that its artifact names by a path, if it does: a program that comes with the work.
pub(super) fn named_by_artifact(work: &Work) -> Option<&str> {
    let plain = work.artifact.strip_prefix("./").unwrap_or(&work.artifact);
    (work.artifact.contains('/') && work.settings.files.has(plain)).then_some(plain)
}

/// The mode of a file that has this content.
pub(super) fn mode_of(file: &mut File) -> io::Result<u32> {
    let mut beginning = Vec::new();
    file.by_ref().take(2).read_to_end(&mut beginning)?;
    file.rewind()?;
    Ok(if beginning == b"#!" { 0o755 } else { 0o644 })
}

fn fill(folder: &Path, given: &[Given], owner: Option<&Account>, stop: &CancellationToken) -> Result<(), Error> {
    let own = |path: &Path| owner.map_or(Ok(()), |owner| chown(path, Some(owner.uid), Some(owner.gid)));
    DirBuilder::new().mode(0o700).create(folder).map_err(Error::Folder)?;
    let folders: BTreeSet<&str> = given.iter().flat_map(|given| given.path.folders()).collect();
    // A folder sorts before what is in it.
    for below in folders {
        let path = folder.join(below);
        let open = || fs::set_permissions(&path, Permissions::from_mode(0o755));
        fs::create_dir(&path).and_then(|()| open()).and_then(|()| own(&path)).map_err(Error::Folder)?;
    }
    for Given { path, kept } in given {
        let to = folder.join(path.as_str());
        match copy(&kept.path, &to, owner, stop) {
            Ok(()) if stop.is_cancelled() => return Err(Error::Stopped),
            Ok(()) => {}
            Err(source) => return Err(Error::File { path: path.clone(), source }),
        }
    }
    // Last: from now on others may be in there.
    own(folder).map_err(Error::Folder)
}

fn copy(from: &Path, to: &Path, owner: Option<&Account>, stop: &CancellationToken) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mode = mode_of(&mut from)?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    while !stop.is_cancelled() && io::copy(&mut (&from).take(PIECE), &mut to)? > 0 {}
    if let Some(owner) = owner {
        fchown(&to, Some(owner.uid), Some(owner.gid))?;
    }
    to.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn given(folder: &Path, files: &[(&str, &str)]) -> Vec<Given> {
        let kept = |text: &str| {
            let path = folder.join(format!("kept-{}", text.len()));
            fs::write(&path, text).unwrap();
            Kept::for_test(path)
        };
        files.iter().map(|(path, text)| Given { path: path.parse().unwrap(), kept: kept(text) }).collect()
    }

    #[test]
    fn files_stand_where_they_belong_and_scripts_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("files");
        let files = given(folder.path(), &[("a/b/c.sh", "#!/bin/sh\n"), ("a/b.txt", "hello"), ("x y", ""), ("z", "#")]);
        fill(&root, &files, None, &CancellationToken::new()).unwrap();
        let look = |path: &str| {
            let mode = fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
            (fs::read_to_string(root.join(path)).unwrap_or_default(), mode)
        };
        assert_eq!(look("a/b/c.sh"), ("#!/bin/sh\n".to_owned(), 0o755));
        assert_eq!(look("a/b.txt"), ("hello".to_owned(), 0o644));
        assert_eq!((look("x y").1, look("z").1, look("a/b").1, look("").1), (0o644, 0o644, 0o755, 0o700));
    }

    #[test]
    fn a_folder_that_is_there_is_nobodys_and_a_link_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (folder.path().join("files"), folder.path().join("elsewhere"));
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &root).unwrap();
        let files = given(folder.path(), &[("x", "hello")]);
        assert!(matches!(fill(&root, &files, None, &CancellationToken::new()), Err(Error::Folder(_))));
        symlink(elsewhere.join("y"), folder.path().join("link")).unwrap();
        let stop = CancellationToken::new();
        assert!(copy(&files[0].kept.path, &folder.path().join("link"), None, &stop).is_err());
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    }

    #[test]
    fn a_stop_ends_the_copying() {
        let folder = tempfile::tempdir().unwrap();
        let (root, stop) = (folder.path().join("files"), CancellationToken::new());
        stop.cancel();
        let files = given(folder.path(), &[("x", "hello"), ("y", "hello")]);
        assert!(matches!(fill(&root, &files, None, &stop), Err(Error::Stopped)));
        assert!(!root.join("y").exists());
    }
}
