//! Whose the files are that a store in a folder is made of.
//!
//! Owns the giving of what root has made to the folder's owner: the service that opens the store is somebody else. Promises
//! to follow no link, and to touch nothing but what a store is made of and root's. Whoever is not root gives nothing.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, chownat, fstat, open, openat, statat};
use rustix::process::{Gid, Uid, geteuid};

/// What else begins like this belongs to the store, too.
const FILE: &str = "gorch.db";

/// Gives what lies in this folder to its owner.
pub(super) fn give(folder: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let folder = open(folder, FOLDER, Mode::empty())?;
    let whose = fstat(&folder)?;
    if whose.st_uid == 0 {
        return Ok(());
    }
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy();
        if name.starts_with(FILE) || name == "lock" {
            hand_over(&folder, entry.file_name(), &whose)?;
        } else if name == "artifacts" {
            all_below(&folder, entry.file_name(), &whose)?;
        }
    }
    Ok(())
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

fn all_below(parent: impl AsFd, name: &CStr, whose: &Stat) -> io::Result<()> {
    let folder = openat(&parent, name, FOLDER.union(OFlags::NOFOLLOW), Mode::empty())?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let below = entry.file_name();
        if below == c"." || below == c".." {
            continue;
        }
        match FileType::from_raw_mode(statat(&folder, below, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
            FileType::Directory => all_below(&folder, below, whose)?,
            FileType::RegularFile => hand_over(&folder, below, whose)?,
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
    }
    // Last: until then its owner cannot put anything else here.
    hand_over(&parent, name, whose)
}

fn hand_over(parent: impl AsFd, name: &CStr, whose: &Stat) -> io::Result<()> {
    let seen = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    // A second name of a file may be one of somebody else's.
    let is_single = FileType::from_raw_mode(seen.st_mode) == FileType::Directory || seen.st_nlink == 1;
    if seen.st_uid == 0 && is_single {
        let (user, group) = (Uid::from_raw(whose.st_uid), Gid::from_raw(whose.st_gid));
        chownat(&parent, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
