//! The program's own file.

use sha2::{Digest, Sha256};
use std::{fs, io};

const OWN: &str = "/proc/self/exe";

/// SHA-256 of the running program, also after its file was unlinked.
pub fn hash() -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(OWN)?, &mut hash)?;
    Ok(hash.finalize().into())
}

/// Unlinks the file that the engine placed, so that nothing is left however this run ends. A
/// program that lies elsewhere under another name is left alone.
pub fn unlink() {
    let Ok(path) = fs::read_link(OWN) else { return };
    let placed = path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("pgbackup-mover-"));
    if placed {
        // What cannot be removed now is removed by the next run's placing.
        let _ = fs::remove_file(path);
    }
}
