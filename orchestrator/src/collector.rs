//! Artifacts that no run needs any more go.
//!
//! Owns the look for them. Promises that only a content goes that no run and no definition names and that nobody has
//! uploaded or asked after of late. Never says when it is time to look.

use std::sync::Arc;

use crate::artifacts::{Artifacts, Collected};
use crate::journal::Journal;

/// Collects once; tells what went.
pub(crate) async fn collect(
    artifacts: &Artifacts,
    journal: &Arc<dyn Journal>,
) -> Result<Collected, Box<dyn std::error::Error + Send + Sync>> {
    let old = artifacts.old().await?;
    if old.is_empty() {
        return Ok(Collected::default());
    }
    let unneeded = journal.unneeded(old).await?;
    Ok(artifacts.collect(unneeded).await?)
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
        let put = async |text: &str| {
            let digest = Digest::from_bytes(sha2::Sha256::digest(text).into());
            let mut upload = artifacts.take().unwrap();
            upload.write(text.as_bytes()).unwrap();
            upload.finish(digest).await.unwrap();
            digest
        };
        let (named, unnamed, young) = (put("named").await, put("unnamed").await, put("young").await);
        for digest in [named, unnamed] {
            let text = digest.to_string();
            let path = folder.path().join("artifacts").join(&text[..2]).join(&text);
            let file = std::fs::File::options().append(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now() - 2 * GRACE).unwrap();
        }
        journal.append(Append { artifacts: vec![named], ..accept(1) }).await.unwrap();
        let here = async |digest| artifacts.read(digest).await.unwrap().is_some();
        let collected = async || {
            let Collected { count, bytes } = collect(&artifacts, &journal).await.unwrap();
            (count, bytes)
        };
        assert_eq!(collected().await, (1, 7));
        assert_eq!((here(named).await, here(unnamed).await, here(young).await), (true, false, true));
        journal.append(ended(1, 1)).await.unwrap();
        assert_eq!(collected().await, (0, 0), "an ended run needs it still");
        journal.forget(run(1), at(9)).await.unwrap();
        assert_eq!(collected().await, (1, 5));
        assert_eq!((here(named).await, here(young).await), (false, true));
    }
}
