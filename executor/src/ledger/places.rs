//! Where jobs run: a folder for each attempt that has started, used again by later ones.
//!
//! Owns `places/N/` with `tmp`, `stdout`, `stderr` and, where a job has them, `input`, `script`, `output`
//! and `progress`. Making and
//! removing folders is dearer than a small job, so a place that an attempt left as it was is given to the next one as
//! it is. Promises that nothing of one attempt is ever seen by another: whatever was touched is removed and made anew,
//! and a place that is not as it should be is removed as a whole.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use super::Error;

/// A folder that was changed less than this before a job began may have been changed again without a later time.
const TICK: Duration = Duration::from_millis(20);

/// Where an attempt's files are.
#[derive(Debug)]
pub(crate) struct Place {
    number: u32,
    root: PathBuf,
    /// `None` for one that was found after a kill: it is not used again.
    streams: Option<Streams>,
    /// Somebody reads its streams, or a process of it may still write to them.
    is_shared: AtomicBool,
    is_untouched: OnceLock<bool>,
}

/// The open streams, and how the folders were when they were given to the job.
#[derive(Debug)]
struct Streams {
    stdout: File,
    stderr: File,
    began: SystemTime,
    root: Mark,
    tmp: Mark,
}

/// A folder as it was: another one, or one in which names came or went, has another mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    mode: u32,
    changed: SystemTime,
}

impl Place {
    /// For a job that begins now. Without streams it is not used again.
    fn of(number: u32, root: PathBuf, streams: Option<Streams>) -> Self {
        let streams = streams.map(|streams| Streams { began: SystemTime::now(), ..streams });
        let is_shared = AtomicBool::new(streams.is_none());
        Place { number, root, streams, is_shared, is_untouched: OnceLock::new() }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Everything that the job wrote to standard output.
    pub(crate) fn stdout(&self) -> PathBuf {
        self.root.join("stdout")
    }

    /// Everything that the job wrote to standard error.
    pub(crate) fn stderr(&self) -> PathBuf {
        self.root.join("stderr")
    }

    /// What `$GORCH_OUTPUT` names; the job makes it.
    pub(crate) fn output(&self) -> PathBuf {
        self.root.join("output")
    }

    /// What `$GORCH_PROGRESS` names, the first of these that is there; the job makes it.
    pub(crate) fn progress(&self) -> [PathBuf; 2] {
        // One that sees only the mount has it there while it runs.
        [self.root.join("progress"), self.mount().join("progress")]
    }

    /// Brings what a job that saw only the mount wrote there to where it is read; after a kill it may be there already.
    pub(crate) fn bring_out(&self) {
        for name in ["output", "progress"] {
            // There is none where the job gave none.
            let _ = fs::rename(self.mount().join(name), self.root.join(name));
        }
    }

    /// What the job reads from standard input.
    pub(crate) fn input(&self) -> PathBuf {
        self.root.join("input")
    }

    /// An inline script.
    pub(crate) fn script(&self) -> PathBuf {
        self.root.join("script")
    }

    /// The job's `$TMPDIR`.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Standard output and error for the job to inherit; appending, so that whoever writes never writes over.
    pub(crate) fn to_inherit(&self) -> io::Result<(File, File)> {
        let Some(streams) = &self.streams else { return Err(io::ErrorKind::NotFound.into()) };
        Ok((streams.stdout.try_clone()?, streams.stderr.try_clone()?))
    }

    /// The part of `tmp` that a container sees.
    pub(crate) fn mount(&self) -> PathBuf {
        self.tmp().join("gorch")
    }

    /// Standard output and error, emptied, for somebody who writes all of both from the beginning.
    pub(crate) fn to_rewrite(&self) -> io::Result<(File, File)> {
        let pair = match &self.streams {
            Some(_) => self.to_inherit()?,
            None => {
                let open = |path| OpenOptions::new().append(true).create(true).mode(0o600).open(path);
                (open(self.stdout())?, open(self.stderr())?)
            }
        };
        pair.0.set_len(0)?;
        pair.1.set_len(0)?;
        Ok(pair)
    }

    /// Has the job, which is over, written nothing and left no file? The first answer stays.
    pub(crate) fn is_untouched(&self) -> bool {
        *self.is_untouched.get_or_init(|| {
            self.streams.as_ref().is_some_and(|streams| {
                is_quiet(&streams.stdout)
                    && is_quiet(&streams.stderr)
                    && streams.is_as_given(&self.root, streams.root)
                    && streams.is_as_given(&self.tmp(), streams.tmp)
            })
        })
    }

    /// Removes what only the running job needed. What cannot be removed goes with the place.
    pub(crate) fn remove_scratch(&self) {
        // Most jobs leave it empty: then it stays, and with it the folder around it stays as it was.
        if !is_empty_folder(&self.tmp()) {
            let _ = fs::remove_dir_all(self.tmp());
        }
    }

    /// Removes what may hold secrets of the job, which is over: what it was given in files, and what it gave as outputs
    /// or told of itself.
    pub(crate) fn remove_secrets(&self) {
        // What is not there needs no removing.
        for path in [self.output(), self.mount().join("output")].into_iter().chain(self.progress()) {
            let _ = fs::remove_file(path);
        }
        for folder in [self.tmp(), self.mount()] {
            let _ = fs::remove_dir_all(folder.join("secrets"));
        }
    }

    /// From now on it is for this attempt alone.
    pub(crate) fn share(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// Frees what space it takes, as far as that goes.
    pub(super) fn empty(&self) {
        let files = [self.stdout(), self.stderr(), self.input(), self.script(), self.output()];
        for path in files.into_iter().chain(self.progress()) {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir_all(self.tmp());
    }
}

impl Streams {
    /// Is the folder as it was when the job began? Times of files move in ticks: one that was young then proves nothing.
    fn is_as_given(&self, path: &Path, then: Mark) -> bool {
        Mark::of(path).is_ok_and(|now| now == then) && then.changed + TICK < self.began
    }
}

impl Mark {
    fn of(path: &Path) -> io::Result<Self> {
        let facts = fs::symlink_metadata(path)?;
        if !facts.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        // The time of the last change of any kind, which nobody can set.
        let changed = Duration::new(facts.ctime().unsigned_abs(), facts.ctime_nsec().unsigned_abs() as u32);
        Ok(Mark { inode: facts.ino(), mode: facts.mode(), changed: SystemTime::UNIX_EPOCH + changed })
    }
}

/// All places.
pub(super) struct Places {
    root: PathBuf,
    desk: Mutex<Desk>,
    /// Free ones that are kept.
    most: usize,
}

struct Desk {
    free: Vec<Place>,
    /// Given back, but somebody still looks at them.
    leaving: Vec<Arc<Place>>,
    next: u32,
}

impl Places {
    /// Opens the folder. Places that no held attempt has go.
    pub(super) fn open(root: PathBuf, used: &HashSet<u32>, most: usize) -> Result<Self, Error> {
        make_private_folder(&root).map_err(Error::io("create the folder", &root))?;
        for entry in fs::read_dir(&root).map_err(Error::io("list", &root))?.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            if number.is_some_and(|number| !used.contains(&number)) {
                fs::remove_dir_all(entry.path()).map_err(Error::io("remove the unused place", &entry.path()))?;
            }
        }
        let next = used.iter().max().map_or(0, |highest| highest + 1);
        Ok(Places { root, desk: Mutex::new(Desk { free: Vec::new(), leaving: Vec::new(), next }), most })
    }

    /// A place for a job that begins now.
    pub(super) fn take(&self) -> Result<Place, Error> {
        let (free, number) = {
            let mut desk = self.desk();
            let free = desk.free.pop();
            let number = desk.next;
            desk.next += u32::from(free.is_none());
            (free, number)
        };
        let place = match free {
            Some(Place { streams: Some(streams), number, root, .. }) => Ok(Place::of(number, root, Some(streams))),
            Some(Place { number, .. }) => self.make(number),
            None => self.make(number),
        };
        place.map_err(Error::io("make a place in", &self.root))
    }

    /// The place of a found attempt.
    pub(super) fn adopt(&self, number: u32) -> Place {
        Place::of(number, self.path(number), None)
    }

    /// Its attempt is forgotten: when nobody looks at it any more it is made clean and kept, or removed.
    pub(super) fn give_back(&self, place: Arc<Place>) {
        let left: Vec<Place> = {
            let mut desk = self.desk();
            desk.leaving.push(place);
            desk.leaving.extract_if(.., |place| Arc::strong_count(place) == 1).filter_map(Arc::into_inner).collect()
        };
        left.into_iter().for_each(|place| self.recycle(place));
    }

    fn recycle(&self, place: Place) {
        let root = place.root.clone();
        // Whatever one has become that cannot be cleaned, it is not used again.
        if let Ok(place) = self.clean(place) {
            let mut desk = self.desk();
            if desk.free.len() < self.most {
                return desk.free.push(place);
            }
        }
        // What cannot be removed now goes when the ledger is opened; its number is not given out again.
        let _ = fs::remove_dir_all(root);
    }

    fn clean(&self, place: Place) -> io::Result<Place> {
        if place.is_shared.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        if place.is_untouched() {
            return Ok(place);
        }
        let Place { number, root, streams, .. } = place;
        let Some(streams) = streams else { return Err(io::ErrorKind::NotFound.into()) };
        let tmp_path = root.join("tmp");
        let now = Mark::of(&root)?;
        if (now.inode, now.mode) != (streams.root.inode, streams.root.mode) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let reuse = |file: File, name: &str| -> io::Result<Option<File>> {
            let path = root.join(name);
            let is_same = fs::symlink_metadata(&path)
                .is_ok_and(|facts| file.metadata().is_ok_and(|own| own.ino() == facts.ino()));
            Ok((is_same && is_quiet(&file)).then_some(file))
        };
        let (stdout, stderr) = (reuse(streams.stdout, "stdout")?, reuse(streams.stderr, "stderr")?);
        let is_tmp_clean = Mark::of(&tmp_path).is_ok_and(|now| {
            now.inode == streams.tmp.inode && now.mode == streams.tmp.mode && is_empty_folder(&tmp_path)
        });
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            let name = entry.file_name();
            let stays = (name == "stdout" && stdout.is_some())
                || (name == "stderr" && stderr.is_some())
                || (name == "tmp" && is_tmp_clean);
            if stays {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        furnish(number, root, stdout, stderr)
    }

    fn make(&self, number: u32) -> io::Result<Place> {
        let root = self.path(number);
        make_private_folder(&root)?;
        furnish(number, root, None, None)
    }

    fn path(&self, number: u32) -> PathBuf {
        self.root.join(number.to_string())
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Both fields are right after each single change.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes what is missing.
fn furnish(number: u32, root: PathBuf, stdout: Option<File>, stderr: Option<File>) -> io::Result<Place> {
    let tmp = root.join("tmp");
    make_private_folder(&tmp)?;
    let stream = |kept: Option<File>, name: &str| match kept {
        Some(file) => Ok(file),
        None => OpenOptions::new().append(true).create_new(true).mode(0o600).open(root.join(name)),
    };
    let (stdout, stderr) = (stream(stdout, "stdout")?, stream(stderr, "stderr")?);
    let (root_mark, tmp_mark) = (Mark::of(&root)?, Mark::of(&tmp)?);
    let streams = Streams { stdout, stderr, began: SystemTime::now(), root: root_mark, tmp: tmp_mark };
    Ok(Place::of(number, root, Some(streams)))
}

fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Is nothing in it, and is it nowhere else?
fn is_quiet(file: &File) -> bool {
    file.metadata().is_ok_and(|facts| facts.len() == 0 && facts.nlink() == 1 && facts.mode() & 0o7777 == 0o600)
}

/// Makes a folder that only its owner can look into, unless it is there.
pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn places(folder: &Path) -> Places {
        Places::open(folder.join("places"), &HashSet::new(), 2).unwrap()
    }

    /// Waits until marks that are made now can be told from later ones.
    fn settled(place: &Place) {
        let streams = place.streams.as_ref().unwrap();
        while SystemTime::now() <= streams.root.changed.max(streams.tmp.changed) + TICK {
            std::thread::yield_now();
        }
    }

    /// What a job does with its place, and what must be gone afterwards.
    fn after(touch: impl Fn(&Place)) -> (Place, u64, u64) {
        let folder = tempfile::tempdir().unwrap().keep();
        let places = places(&folder);
        let place = places.take().unwrap();
        settled(&place);
        places.give_back(Arc::new(place));
        let place = places.take().unwrap();
        // Kept open: its inode cannot be given to another file.
        let before = File::open(place.stdout()).unwrap();
        touch(&place);
        places.give_back(Arc::new(place));
        let place = places.take().unwrap();
        let names: HashSet<String> =
            fs::read_dir(&place.root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names, ["stdout", "stderr", "tmp"].map(str::to_owned).into());
        assert_eq!(fs::read_dir(place.tmp()).unwrap().count(), 0);
        assert_eq!(fs::metadata(place.tmp()).unwrap().mode() & 0o777, 0o700);
        for stream in [place.stdout(), place.stderr()] {
            let facts = fs::symlink_metadata(stream).unwrap();
            assert!(facts.is_file() && facts.len() == 0 && facts.mode() & 0o777 == 0o600);
        }
        let (mut out, _) = place.to_inherit().unwrap();
        out.write_all(b"mine").unwrap();
        assert_eq!(fs::read(place.stdout()).unwrap(), b"mine", "the stream is the file");
        let after = fs::metadata(place.stdout()).unwrap().ino();
        (place, before.metadata().unwrap().ino(), after)
    }

    #[test]
    fn a_place_that_was_not_touched_is_the_same_again() {
        let (_, before, after) = after(|place| assert!(place.is_untouched()));
        assert_eq!(before, after);
    }

    #[test]
    fn nothing_of_one_job_is_left_for_the_next() {
        let touches: [fn(&Place); 13] = [
            |place| fs::write(place.stdout(), "said").unwrap(),
            |place| place.to_inherit().unwrap().1.write_all(b"said").unwrap(),
            |place| fs::write(place.output(), "a=1").unwrap(),
            |place| fs::write(place.root.join("other"), "").unwrap(),
            |place| fs::create_dir_all(place.root.join("other/deep")).unwrap(),
            |place| fs::write(place.tmp().join("left"), "").unwrap(),
            |place| fs::remove_dir(place.tmp()).unwrap(),
            |place| {
                fs::remove_dir(place.tmp()).unwrap();
                std::os::unix::fs::symlink("/etc", place.tmp()).unwrap();
            },
            |place| {
                fs::remove_file(place.stdout()).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", place.stdout()).unwrap();
            },
            |place| {
                fs::remove_file(place.stderr()).unwrap();
                fs::create_dir(place.stderr()).unwrap();
            },
            |place| fs::hard_link(place.stdout(), place.root.with_extension("kept")).unwrap(),
            |place| fs::set_permissions(place.tmp(), fs::Permissions::from_mode(0o755)).unwrap(),
            |place| fs::set_permissions(place.stdout(), fs::Permissions::from_mode(0o644)).unwrap(),
        ];
        for (number, touch) in touches.into_iter().enumerate() {
            let (_, before, now) = after(touch);
            // Those that touched stdout itself, or its neighbours' folder, may not share it.
            assert!(before != now || ![0, 8, 10].contains(&number), "{number}");
        }
    }

    #[test]
    fn a_place_that_is_shared_or_gone_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        for spoil in [(|place| place.share()) as fn(&Place), |place| fs::remove_dir_all(&place.root).unwrap()] {
            let place = places.take().unwrap();
            let root = place.root.clone();
            spoil(&place);
            places.give_back(Arc::new(place));
            assert!(!root.exists());
            assert_ne!(places.take().unwrap().root, root);
        }
    }

    #[test]
    fn a_found_place_is_kept_until_it_is_given_back_and_others_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = places(folder.path());
        let (zero, one) = (first.take().unwrap(), first.take().unwrap());
        fs::write(one.stdout(), "said").unwrap();
        let again = Places::open(folder.path().join("places"), &[1].into(), 2).unwrap();
        assert!(!zero.root.exists());
        let found = again.adopt(1);
        assert_eq!(fs::read(found.stdout()).unwrap(), b"said");
        assert!(!found.is_untouched(), "nobody knows what it was like before");
        assert_eq!(again.take().unwrap().number(), 2);
        again.give_back(Arc::new(found));
        assert!(!one.root.exists());
    }
}
