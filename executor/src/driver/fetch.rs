//! Artifacts that are named by their content, before a job can run them.
//!
//! Owns the wait for such a file, and what it means for the job when it does not come. Never starts anything.

use gorch_schema::{Digest, Failure, failure_code};

use super::{Ending, Finish, Job, Settings};
use crate::artifacts::Kept;
use crate::chain::Chain;

/// The file of an artifact `sha256:...`, `None` for any other artifact; the end of the job, where it does not come.
pub(super) async fn by_content(settings: &Settings, job: &Job) -> Result<Option<Kept>, Finish> {
    let ended = |failure| Finish::without_output(Ending::ByItself, Err(failure));
    match Digest::of_artifact(&job.work.artifact) {
        None => Ok(None),
        Some(Err(error)) => Err(ended(Failure::new(failure_code::REFUSED, error.to_string()))),
        Some(Ok(digest)) => tokio::select! {
            biased;
            kept = settings.artifacts.get(digest) => kept.map(Some).map_err(|error| {
                ended(Failure::new(failure_code::ARTIFACT_MISSING, Chain(&error).to_string()))
            }),
            () = job.stop.cancelled() => Err(Finish::without_output(Ending::Stopped, Ok(()))),
        },
    }
}
