//! The archive database: real text from Debian's own package index, loaded once per version.
//!
//! Building it takes a minute, so the loaded server is kept as an image of its own whose data
//! lie in the image instead of a volume. A test starts from it in two seconds.

use crate::{
    command::{data, must, output, say},
    server::{Server, image},
};
use std::process::{Command, Stdio};

/// Where the archive image keeps the server's data: not in a declared volume, which a commit leaves out.
const PGDATA: &str = "PGDATA=/var/lib/archive";

/// Starts a server that holds the archive database (`archive`), `copies` times its rows.
pub fn start(major: u32, copies: u32) -> Server {
    let tag = build(major, copies);
    Server::start_image(&tag, major, &["--env", PGDATA], &[])
}

/// Builds the image unless it is there, and returns its tag.
pub fn build(major: u32, copies: u32) -> String {
    let contents = contents();
    let tag = format!("pgbackup-test-archive:{major}-{copies}{}", if contents { "-contents" } else { "" });
    // Two tests that need it at once must not build it twice.
    let lock = std::env::temp_dir().join("pgbackup-test-archive.lock");
    let lock =
        std::fs::OpenOptions::new().create(true).append(true).open(lock).expect("a lock file can be made");
    lock.lock().expect("a lock can be taken");
    if !output("docker", &["image", "inspect", &tag], b"").status.success() {
        load(major, copies, contents, &tag);
    }
    tag
}

fn load(major: u32, copies: u32, contents: bool, tag: &str) {
    let server = Server::start_image(
        &image(major),
        major,
        &["--env", PGDATA],
        &["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=4GB"],
    );
    server.sql("postgres", "CREATE DATABASE archive");
    let mut generator = Command::new("python3");
    generator.args([&data("debian_archive.py"), "--copies", &copies.to_string()]);
    if contents {
        generator.arg("--contents");
    }
    let mut generator = generator.stdout(Stdio::piped()).spawn().expect("python3 can be started");
    let psql = Command::new("docker")
        .args([
            "exec",
            "-i",
            &server.name,
            "psql",
            "-qXU",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            "archive",
        ])
        .stdin(generator.stdout.take().expect("it is piped"))
        .stdout(Stdio::null())
        .status()
        .expect("docker can be started");
    let generated = generator.wait().expect("python3 can be waited for");
    assert!(psql.success() && generated.success(), "the archive database could not be loaded");
    server.sql("archive", "VACUUM (ANALYZE); CHECKPOINT;");
    must("docker", &["stop", "--time", "60", &server.name]);
    // The server's arguments would otherwise be those of every container made from the image.
    must("docker", &["commit", "--change", "CMD [\"postgres\"]", &server.name, tag]);
}

/// Returns whether the list of all files in Debian's packages is here (`apt-file update`).
fn contents() -> bool {
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let here = lists.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("_main_Contents-"));
    assert!(
        here || std::env::var_os("CI").is_none(),
        "the Contents list is not here: apt-get install apt-file, then apt-file update"
    );
    if !here {
        say("archive: without the list of files, `apt-get install apt-file && apt-file update` brings it");
    }
    here
}
