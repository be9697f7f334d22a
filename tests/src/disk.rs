//! A small disk of a test's own: full, read-only, or not there.
//!
//! It is a file system in memory. Mounting needs root; where the tests run as another user,
//! [`Disk::at`] gives none, and what needs one is skipped with a line that says so.

use crate::command::{must, output, say};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// A mounted disk; unmounted when this is dropped.
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts an empty disk of so many KiB at a folder, which is made.
    pub fn at(folder: &Path, kib: u32) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder can be made");
        let disk = Self { folder: folder.to_owned() };
        let mounted =
            output("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs", &disk.path()], b"");
        if !mounted.status.success() {
            say("skipped: this user cannot mount a disk");
            return None;
        }
        Some(disk)
    }

    /// Fills it, but for so many pages of 4 KiB.
    pub fn fill(&self, pages: u64) {
        let mut filler = File::create(self.filler()).expect("the disk takes a file");
        while filler.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
        let length = filler.metadata().expect("it is open").len();
        filler.set_len(length.saturating_sub(pages * 4096)).expect("it becomes shorter");
    }

    /// Takes away what [`Self::fill`] wrote.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }

    /// Mounts it read-only, or writable again.
    pub fn write_protect(&self, protect: bool) {
        must("mount", &["-o", if protect { "remount,ro" } else { "remount,rw" }, &self.path()]);
    }

    /// Takes it off, and leaves the empty folder.
    pub fn unmount(self) {}

    fn path(&self) -> String {
        self.folder.display().to_string()
    }

    /// In a folder that the repository does not look into.
    fn filler(&self) -> PathBuf {
        self.folder.join("pgbackup/filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        output("umount", &["--lazy", &self.path()], b"");
    }
}
