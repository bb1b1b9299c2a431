//! What contents must do whatever they are kept in, as tests that both kinds are held to; and what is particular to one.
//!
//! Owns one function per promise. Never looks behind the interface, but to make something old.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use gorch_schema::Digest;
use sha2::{Digest as _, Sha256};
use slog::{Discard, Logger, o};
use tempfile::TempDir;

use super::{Artifacts, Collected, Error, GRACE};
use crate::journal::postgres::Postgres;
use crate::journal::postgres::tests::{Cluster, cluster, journal};

/// A database takes a content in pieces of this size, a few at a time.
const PIECE: usize = 256 << 10;

/// The largest content of these tests: it is several times what is held at once.
const LIMIT: usize = 12 * PIECE;

/// Contents of one kind, and what must outlive them.
struct Kept {
    artifacts: Artifacts,
    folder: TempDir,
    /// The address of the database, and a journal in it.
    database: Option<(String, Postgres)>,
}

impl Kept {
    async fn in_a_folder() -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(folder.path(), LIMIT as u64).unwrap();
        Kept { artifacts, folder, database: None }
    }

    async fn in_a_database() -> Kept {
        Kept::in_database_of(cluster()).await
    }

    async fn in_database_of(server: &Cluster) -> Kept {
        let (folder, address) = (tempfile::tempdir().unwrap(), server.database());
        let journal = journal(&address, "one").await;
        let artifacts = opened(folder.path(), &address).await;
        Kept { artifacts, folder, database: Some((address, journal)) }
    }

    async fn again(&self) -> Artifacts {
        match &self.database {
            None => Artifacts::open(self.folder.path(), LIMIT as u64).unwrap(),
            Some((address, _)) => opened(self.folder.path(), address).await,
        }
    }

    /// As if nobody had asked after it for two hours.
    fn age(&self, digest: Digest) {
        match &self.database {
            None => {
                let file = fs::File::options().append(true).open(path(self.folder.path(), digest)).unwrap();
                file.set_modified(SystemTime::now() - 2 * GRACE).unwrap();
            }
            Some((address, _)) => {
                let older = format!("UPDATE contents SET touched = touched - interval '2 h' WHERE digest = '{digest}'");
                cluster().sql(address, &older);
            }
        }
    }

    fn uploads_left(&self) -> usize {
        fs::read_dir(self.folder.path().join("artifacts/incoming")).unwrap().count()
    }
}

async fn opened(data: &Path, address: &str) -> Artifacts {
    let log = Logger::root(Discard, o!());
    Artifacts::in_database(data, LIMIT as u64, &address.parse().unwrap(), &log).await.unwrap()
}

fn path(data: &Path, digest: Digest) -> std::path::PathBuf {
    let name = digest.to_string();
    data.join("artifacts").join(&name[..2]).join(name)
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Bytes of which no piece is like another.
fn large(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * at / 7 + at / PIECE) as u8).collect()
}

async fn put(artifacts: &Artifacts, bytes: &[u8]) -> Digest {
    let mut upload = artifacts.take().unwrap();
    bytes.chunks(100_000).for_each(|piece| upload.write(piece).unwrap());
    assert_eq!(upload.finish(digest(bytes)).await.unwrap(), bytes.len() as u64);
    digest(bytes)
}

/// All of it, held to the length that is announced.
async fn got(artifacts: &Artifacts, digest: Digest) -> Option<Vec<u8>> {
    let mut reading = artifacts.read(digest).await.unwrap()?;
    let (length, mut bytes) = (reading.length, Vec::new());
    while let Some(piece) = reading.next().await {
        bytes.extend(piece.unwrap());
    }
    assert_eq!(bytes.len() as u64, length);
    Some(bytes)
}

async fn a_content_is_there_whole_or_not_at_all(kept: Kept) {
    let (artifacts, hello) = (&kept.artifacts, digest(b"hello world"));
    let mut upload = artifacts.take().unwrap();
    upload.write(b"hello ").unwrap();
    assert!(got(artifacts, hello).await.is_none());
    upload.write(b"word").unwrap();
    match upload.finish(hello).await {
        Err(Error::Mismatch { expected, found }) => assert_eq!((expected, found), (hello, digest(b"hello word"))),
        other => panic!("{other:?}"),
    }
    assert!(got(artifacts, hello).await.is_none() && artifacts.keep(vec![hello]).await.unwrap().is_empty());
    let twice = (put(artifacts, b"hello world").await, put(artifacts, b"hello world").await);
    assert_eq!(twice, (hello, hello), "a second time is no harm");
    assert_eq!(got(artifacts, hello).await.unwrap(), b"hello world");
    assert_eq!(
        (artifacts.keep(vec![hello, digest(b"never")]).await.unwrap(), kept.uploads_left()),
        (vec![(hello, 11)], 0)
    );
    let mut large = artifacts.take().unwrap();
    let refused = large.write(&vec![0; LIMIT + 1]);
    assert!(matches!(refused, Err(Error::TooLarge { limit }) if limit == LIMIT as u64), "{refused:?}");
    drop(large);
    assert_eq!(kept.uploads_left(), 0);
}

async fn contents_of_every_size_come_back_as_they_were(kept: Kept) {
    for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 4 * PIECE, 4 * PIECE + 1, LIMIT] {
        let bytes = large(length);
        let digest = put(&kept.artifacts, &bytes).await;
        assert!(got(&kept.artifacts, digest).await.unwrap() == bytes, "{length} bytes");
    }
}

async fn many_who_bring_and_read_at_once_do_not_hinder_each_other(kept: Kept) {
    let (same, artifacts) = (large(5 * PIECE), &kept.artifacts);
    let all = (0..12_usize).map(async |at| {
        // Some bring the same, some their own.
        let bytes = if at % 2 == 0 { same.clone() } else { large(PIECE * 2 + at) };
        let digest = put(artifacts, &bytes).await;
        assert!(got(artifacts, digest).await.unwrap() == bytes);
        assert_eq!(artifacts.keep(vec![digest]).await.unwrap(), [(digest, bytes.len() as u64)]);
    });
    futures::future::join_all(all).await;
    if let Some((address, _)) = &kept.database {
        let without = "SELECT count(*) FROM pieces WHERE content NOT IN (SELECT id FROM contents)";
        assert_eq!(cluster().sql(address, without), "0", "who came second leaves nothing");
    }
}

async fn an_upload_that_was_cut_short_is_gone_at_the_next_start(kept: Kept) {
    let there = put(&kept.artifacts, b"kept").await;
    let mut upload = kept.artifacts.take().unwrap();
    upload.write(b"half").unwrap();
    std::mem::forget(upload);
    assert_eq!(kept.uploads_left(), 1);
    let artifacts = kept.again().await;
    assert_eq!((kept.uploads_left(), got(&artifacts, there).await), (0, Some(b"kept".to_vec())));
}

async fn what_comes_is_never_taken_for_what_another_brings_into_the_same_folder(kept: Kept) {
    let (mine, other) = (large(LIMIT), large(PIECE + 1));
    let mut upload = kept.artifacts.take().unwrap();
    upload.write(&mine).unwrap();
    // Somebody else opens the folder, and clears away what he takes for cut short.
    let again = kept.again().await;
    let mut half = again.take().unwrap();
    half.write(&other[..PIECE]).unwrap();
    // A folder has lost it, which is said; a database has it from the file that is open.
    let is_kept = upload.finish(digest(&mine)).await.is_ok();
    assert_eq!(is_kept, kept.database.is_some());
    assert_eq!(got(&again, digest(&mine)).await.is_some(), is_kept);
    if is_kept {
        assert!(got(&again, digest(&mine)).await.unwrap() == mine, "it is another content");
    }
    half.write(&other[PIECE..]).unwrap();
    assert_eq!(half.finish(digest(&other)).await.unwrap(), other.len() as u64);
    assert!(got(&again, digest(&other)).await.unwrap() == other);
}

async fn only_what_is_old_is_collected_and_asking_makes_it_young(kept: Kept) {
    let artifacts = &kept.artifacts;
    let large = large(3 * PIECE);
    let (old, asked, young) =
        (put(artifacts, &large).await, put(artifacts, b"asked").await, put(artifacts, b"young").await);
    kept.age(old);
    kept.age(asked);
    let mut found = artifacts.old().await.unwrap();
    found.sort();
    let mut expected = vec![old, asked];
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(artifacts.keep(vec![asked]).await.unwrap(), [(asked, 5)]);
    assert_eq!(
        artifacts.collect(vec![old, asked, young, digest(b"never")]).await.unwrap(),
        Collected { count: 1, bytes: 3 * PIECE as u64 }
    );
    assert!(got(artifacts, old).await.is_none());
    assert!(got(artifacts, asked).await.is_some() && got(artifacts, young).await.is_some());
    assert_eq!(put(artifacts, &large).await, old, "it may come back");
    assert!(got(artifacts, old).await.unwrap() == large);
    kept.age(young);
    assert_eq!(put(artifacts, b"young").await, young);
    assert_eq!(artifacts.collect(vec![young]).await.unwrap(), Collected::default(), "to bring it is to ask after it");
}

macro_rules! conformance {
    ($($promise:ident)*) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Kept::in_a_folder().await).await;
            })*
        }
        mod database {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Kept::in_a_database().await).await;
            })*
        }
    };
}

conformance! {
    a_content_is_there_whole_or_not_at_all
    contents_of_every_size_come_back_as_they_were
    many_who_bring_and_read_at_once_do_not_hinder_each_other
    an_upload_that_was_cut_short_is_gone_at_the_next_start
    what_comes_is_never_taken_for_what_another_brings_into_the_same_folder
    only_what_is_old_is_collected_and_asking_makes_it_young
}

mod of_a_database {
    use std::time::Instant;

    use super::*;
    use crate::journal::Journal;
    use crate::journal::conformance::given::accept;
    use crate::journal::postgres::tests::cluster::Stop;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_content_that_goes_while_it_is_read_is_not_taken_for_whole() {
        let kept = Kept::in_a_database().await;
        let digest = put(&kept.artifacts, &large(LIMIT)).await;
        let mut reading = kept.artifacts.read(digest).await.unwrap().unwrap();
        assert_eq!(reading.next().await.unwrap().unwrap().len(), PIECE);
        kept.age(digest);
        assert_eq!(kept.artifacts.collect(vec![digest]).await.unwrap().count, 1);
        let mut last = None;
        while let Some(next) = reading.next().await {
            last = Some(next);
        }
        let Some(Err(Error::Shorter { found, expected })) = last else { panic!("it was taken for whole") };
        assert!(found < expected && expected == LIMIT as u64, "{found} of {expected}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_asked_after_while_it_is_collected_is_either_kept_or_gone() {
        let kept = Kept::in_a_database().await;
        let other = kept.again().await;
        for round in 0..40_usize {
            let digest = put(&kept.artifacts, &round.to_le_bytes()).await;
            kept.age(digest);
            let (asked, gone) = tokio::join!(other.keep(vec![digest]), kept.artifacts.collect(vec![digest]));
            let (is_kept, is_gone) = (asked.unwrap().len() == 1, gone.unwrap().count == 1);
            assert!(is_kept != is_gone, "round {round}: kept {is_kept}, gone {is_gone}");
            assert_eq!(got(&other, digest).await.is_some(), is_kept);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_kept_in_the_folder_comes_in_at_the_start_and_what_is_false_stays() {
        let kept = Kept::in_a_database().await;
        let data = kept.folder.path();
        let before = Artifacts::open(data, LIMIT as u64).unwrap();
        let (first, second) = (put(&before, &large(LIMIT)).await, put(&before, b"second").await);
        let false_one = path(data, digest(b"true"));
        fs::create_dir_all(false_one.parent().unwrap()).unwrap();
        fs::write(&false_one, "false").unwrap();
        // One of them was brought before the last start was killed, its file was not removed.
        put(&kept.artifacts, b"second").await;
        let artifacts = kept.again().await;
        assert!(got(&artifacts, first).await.unwrap() == large(LIMIT));
        assert_eq!(got(&artifacts, second).await.unwrap(), b"second");
        assert!(got(&artifacts, digest(b"true")).await.is_none());
        assert!(!path(data, first).exists() && !path(data, second).exists(), "what came in is not kept twice");
        assert!(false_one.exists(), "nothing is lost that somebody may want to look at");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_large_content_on_its_way_in_holds_up_no_append_and_no_question() {
        let kept = Kept::in_a_database().await;
        let small = put(&kept.artifacts, b"small").await;
        let (address, journal) = kept.database.as_ref().unwrap();
        // Somebody brings the same content and has not committed: whoever comes second has to wait for that.
        let content = large(PIECE);
        let name = digest(&content);
        let held = format!(
            "BEGIN; INSERT INTO contents VALUES ('{name}', gen_random_uuid(), 0, now()); SELECT pg_advisory_xact_lock(7);
             DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'enough') LOOP PERFORM pg_sleep(0.02); END LOOP; END $$; ROLLBACK;"
        );
        let holding = std::thread::spawn({
            let address = address.clone();
            move || cluster().sql(&address, &held)
        });
        let is_held = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
            WHERE locktype = 'advisory' AND objid = 7 AND datname = current_database()";
        while cluster().sql(address, is_held) == "0" {
            tokio::task::yield_now().await;
        }
        let bring = || {
            let (artifacts, content) = (kept.artifacts.clone(), content.clone());
            tokio::spawn(async move { put(&artifacts, &content).await })
        };
        let (second, third) = (bring(), bring());
        journal.append(accept(1)).await.unwrap();
        assert_eq!(got(&kept.artifacts, small).await.unwrap(), b"small");
        assert_eq!(kept.artifacts.keep(vec![small]).await.unwrap().len(), 1);
        assert!(!second.is_finished() && !third.is_finished(), "both of them wait still");
        cluster().sql(address, "CREATE TABLE enough ()");
        assert_eq!((second.await.unwrap(), third.await.unwrap()), (name, name));
        assert!(got(&kept.artifacts, name).await.unwrap() == content, "what was rolled back was never there");
        holding.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_is_restarted_loses_no_content_and_one_that_is_away_is_said() {
        let server = Cluster::start("");
        let kept = Kept::in_database_of(&server).await;
        let content = large(LIMIT);
        let there = put(&kept.artifacts, b"there").await;
        let mut upload = kept.artifacts.take().unwrap();
        upload.write(&content).unwrap();
        server.stop(Stop::Immediate);
        let away = kept.artifacts.keep(vec![there]).await.unwrap_err();
        assert!(matches!(away, Error::Store(_)), "{away:?}");
        let begun = Instant::now();
        let bringing = tokio::spawn(upload.finish(digest(&content)));
        server.start_again();
        assert_eq!(bringing.await.unwrap().unwrap(), LIMIT as u64, "it waited {:?}", begun.elapsed());
        server.stop(Stop::Immediate);
        server.start_again();
        assert!(got(&kept.artifacts, digest(&content)).await.unwrap() == content, "what was answered is there");
        assert_eq!(got(&kept.artifacts, there).await.unwrap(), b"there");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_session_that_is_lost_midway_leaves_nothing_and_is_made_good() {
        let kept = Kept::in_a_database().await;
        let content = large(LIMIT);
        let address = &kept.database.as_ref().unwrap().0;
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE state = 'active'
            AND datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%INTO pieces%'";
        let mut killed = 0;
        // As often as it takes, so that it fell into the middle a few times.
        while killed < 3 {
            cluster().sql(address, "DELETE FROM contents; DELETE FROM pieces");
            let bringing = tokio::spawn({
                let (artifacts, content) = (kept.artifacts.clone(), content.clone());
                async move { put(&artifacts, &content).await }
            });
            while !bringing.is_finished() && killed < 3 {
                killed += cluster().sql(address, kill).parse::<u32>().unwrap();
            }
            let digest = bringing.await.unwrap();
            assert!(got(&kept.artifacts, digest).await.unwrap() == content);
            let pieces = cluster().sql(address, "SELECT count(*) FROM pieces");
            assert_eq!(pieces, (LIMIT / PIECE).to_string(), "nothing of the broken ones is left");
        }
    }
}
