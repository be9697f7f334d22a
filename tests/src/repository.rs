//! The repository as others see it: through Debian's restic, and as files.

use crate::{
    command::{must, output, text},
    plugin::Plugin,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Adds a password for restic to the plugin's repository and returns the file that holds it.
pub fn restic_password(plugin: &Plugin) -> PathBuf {
    let file = plugin.home().join("restic-password");
    if !file.exists() {
        fs::write(&file, "for restic\n").expect("the home can be written");
        plugin.must(&["repo", "key", "export", "--password-file", &file.display().to_string()]);
    }
    file
}

/// Runs restic on the plugin's repository; panics when it fails.
pub fn restic(plugin: &Plugin, arguments: &[&str]) -> String {
    let (password, repository) =
        (restic_password(plugin).display().to_string(), plugin.repository().display().to_string());
    let cache = plugin.home().join("restic-cache").display().to_string();
    let mut all =
        vec!["--repo", &repository, "--password-file", &password, "--cache-dir", &cache, "--no-lock"];
    all.extend(arguments);
    must("restic", &all)
}

/// Panics unless restic itself, reading every byte, finds nothing wrong.
pub fn assert_restic_is_content(plugin: &Plugin) {
    let said = restic(plugin, &["check", "--read-data"]);
    assert!(said.contains("no errors were found"), "restic says: {said}");
}

/// Restores a snapshot by restic into `folder`.
pub fn restic_restore(plugin: &Plugin, snapshot: &str, folder: &Path) {
    restic(plugin, &["restore", snapshot, "--target", &folder.display().to_string()]);
}

/// Returns the ids of restic's snapshots, oldest first.
pub fn restic_snapshots(plugin: &Plugin) -> Vec<String> {
    let json: serde_json::Value =
        serde_json::from_str(&restic(plugin, &["snapshots", "--json"])).expect("restic writes JSON");
    let ids = json.as_array().into_iter().flatten().filter_map(|snapshot| snapshot["id"].as_str());
    ids.map(Into::into).collect()
}

/// Returns every file below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Returns the pack files of the plugin's repository.
pub fn packs(plugin: &Plugin) -> Vec<PathBuf> {
    files(&plugin.repository().join("data"))
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    let output = output("cp", &["-a", &from.display().to_string(), &to.display().to_string()], b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
}
