//! Becoming the server's own user.

use crate::processes;
use rustix::{
    process::{Gid, Uid, getuid},
    thread::{set_thread_gid, set_thread_groups, set_thread_uid},
};
use std::fs;

/// Takes the user and group of the oldest server in here, if the container started this
/// program as root: peer authentication then works, and files that only the server may read
/// can be read without the capabilities that containers do not have. Must come before the
/// first thread, because Linux changes one thread at a time.
pub fn become_server() {
    if !getuid().is_root() {
        return;
    }
    let Some(server) = processes::find().into_iter().next() else { return };
    if server.uid == 0 {
        return;
    }
    let Some(gid) = group_of(server.pid) else { return };
    let (uid, gid) = (Uid::from_raw(server.uid), Gid::from_raw(gid));
    // Where this is not allowed, the work goes on as root.
    let _ = set_thread_groups(&[gid]).and_then(|()| set_thread_gid(gid)).and_then(|()| set_thread_uid(uid));
}

fn group_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Gid:"))?.split_whitespace().next()?.parse().ok()
}
