//! Artifacts that no run needs any more go.
//!
//! Owns the round that looks for them. Promises that only a content goes that no run and no definition names and that
//! nobody has uploaded or asked after of late. A round that fails is made up for by the next.

use std::sync::Arc;
use std::time::Duration;

use slog::{Logger, info, warn};
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;
use crate::journal::Journal;

/// How often it looks.
const ROUND: Duration = Duration::from_mins(10);

/// Collects until it is told to end.
pub(crate) async fn collect(artifacts: Artifacts, journal: Arc<dyn Journal>, end: CancellationToken, log: Logger) {
    while end.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
        match round(&artifacts, &journal).await {
            Ok(0) => {}
            Ok(removed) => info!(log, "artifacts collected"; "removed" => removed),
            Err(error) => warn!(log, "artifacts not collected"; "cause" => crate::chain(&*error)),
        }
    }
}

/// One round; tells how many went.
async fn round(
    artifacts: &Artifacts,
    journal: &Arc<dyn Journal>,
) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    let here = artifacts.clone();
    let old = tokio::task::spawn_blocking(move || here.old()).await??;
    if old.is_empty() {
        return Ok(0);
    }
    let unneeded = journal.unneeded(old).await?;
    let here = artifacts.clone();
    Ok(tokio::task::spawn_blocking(move || here.collect(&unneeded)).await??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::GRACE;
    use crate::journal::Append;
    use crate::journal::conformance::given::{accept, at, ended, run};
    use crate::journal::memory::Memory;
    use gorch_schema::Digest;
    use sha2::Digest as _;

    #[tokio::test]
    async fn a_content_goes_when_no_run_names_it_and_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), 100).unwrap();
        let journal: Arc<dyn Journal> = Arc::new(Memory::new());
        let put = |text: &str| {
            let digest = Digest::from_bytes(sha2::Sha256::digest(text).into());
            let mut upload = artifacts.take().unwrap();
            upload.write(text.as_bytes()).unwrap();
            upload.finish(digest).unwrap();
            digest
        };
        let [named, unnamed, young] = ["named", "unnamed", "young"].map(put);
        for digest in [named, unnamed] {
            let text = digest.to_string();
            let path = folder.path().join("artifacts").join(&text[..2]).join(&text);
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now() - 2 * GRACE).unwrap();
        }
        journal.append(Append { artifacts: vec![named], ..accept(1) }).await.unwrap();
        let here = |digest| artifacts.read(digest).unwrap().is_some();
        assert_eq!(round(&artifacts, &journal).await.unwrap(), 1);
        assert_eq!((here(named), here(unnamed), here(young)), (true, false, true));
        journal.append(ended(1, 1)).await.unwrap();
        assert_eq!(round(&artifacts, &journal).await.unwrap(), 0, "an ended run needs it still");
        journal.forget(run(1), at(9)).await.unwrap();
        assert_eq!(round(&artifacts, &journal).await.unwrap(), 1);
        assert_eq!((here(named), here(young)), (false, true));
    }
}
