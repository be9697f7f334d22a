//! Who is ended first when the container's memory runs out.
//!
//! The kernel ends whoever has the highest score. That must be none of the server's processes,
//! for one that ends by a signal ends all sessions; and a child of this program must go before
//! this program does, which has to be there to wait for it.
//!
//! Source: proc(5), `oom_score_adj`. Everybody may raise it for processes of his own.

use rustix::process::Pid;
use std::fs;

const OF_CHILDREN: &str = "1000";
const OF_THIS_PROGRAM: &str = "950";

/// Offers this program in place of the server.
pub fn go_before_the_server() {
    // Where it is not allowed, the work is the same.
    let _ = fs::write("/proc/self/oom_score_adj", OF_THIS_PROGRAM);
}

/// Offers a child, and what it starts, in place of this program.
pub fn let_go_first(child: Pid) {
    let _ = fs::write(format!("/proc/{}/oom_score_adj", child.as_raw_nonzero()), OF_CHILDREN);
}
