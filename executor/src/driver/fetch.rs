//! Contents that a job needs, before it can start: its artifact, where that is named by its content, and its files.
//!
//! Owns the wait for such a file, and what it means for the job when it does not come. Never starts anything.

use std::path::{Path, PathBuf};

use gorch_schema::{Digest, Failure, failure_code};

use super::{Ending, Finish, Job, Settings};
use crate::artifacts::Kept;
use crate::chain::Chain;

/// A file of the work folder, by a path that leads to nowhere else, whatever links there are.
pub(super) fn below(workdir: &Path, path: &str) -> Option<PathBuf> {
    let real = workdir.join(path).canonicalize().ok()?;
    let root = workdir.canonicalize().ok()?;
    real.starts_with(root).then_some(real)
}

/// The file of an artifact `sha256:...`, `None` for any other artifact; the end of the job, where it does not come.
pub(super) async fn by_content(settings: &Settings, job: &Job) -> Result<Option<Kept>, Finish> {
    match Digest::of_artifact(&job.work.artifact) {
        None => Ok(None),
        Some(Err(error)) => Err(ended(Failure::new(failure_code::REFUSED, error.to_string()))),
        Some(Ok(digest)) => content(settings, job, digest, "").await.map(Some),
    }
}

/// The file of a content; the end of the job, where it does not come, with these words before the reason.
pub(super) async fn content(settings: &Settings, job: &Job, digest: Digest, words: &str) -> Result<Kept, Finish> {
    tokio::select! {
        biased;
        kept = settings.artifacts.get(digest) => kept.map_err(|error| {
            ended(Failure::new(failure_code::ARTIFACT_MISSING, format!("{words}{}", Chain(&error))))
        }),
        () = job.stop.cancelled() => Err(Finish::without_output(Ending::Stopped, Ok(()))),
    }
}

fn ended(failure: Failure) -> Finish {
    Finish::without_output(Ending::ByItself, Err(failure))
}
