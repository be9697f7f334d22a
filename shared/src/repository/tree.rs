//! Folders and files as restic's trees: built at the commit, read back for restores.
//!
//! A tree is the JSON of one folder: its nodes in the order of their names. A file's node names
//! its chunks; a folder's node names its tree. Modes are Go's, in which a folder has its highest
//! bit set. Files are private, and carry no owner: whoever restores them owns them.

use super::{rustic::to_rustic, snapshot::StoredFile};
use crate::error::{Context, Error, Result};
use jiff::Timestamp;
use pgbackup_wire::ChunkId;
use rustic_core::{
    DataId, TreeId,
    repofile::{Metadata, Node, NodeType, Tree},
};
use std::{collections::BTreeMap, ffi::OsStr};

/// Go's `ModeDir` with the rights of a private folder.
const FOLDER_MODE: u32 = 1 << 31 | 0o700;
/// A private file.
const FILE_MODE: u32 = 0o600;

/// A folder that is being put together.
#[derive(Default)]
struct Folder<'a> {
    files: BTreeMap<&'a str, &'a StoredFile>,
    folders: BTreeMap<&'a str, Folder<'a>>,
}

/// Builds the trees of a backup, the innermost first, and hands each to `store` with its id.
/// Returns the id of the root.
///
/// # Errors
///
/// If a path is empty, is there twice, or has a part that is no file name.
pub(super) fn build(
    files: &[StoredFile],
    time: Timestamp,
    store: &mut dyn FnMut(ChunkId, &[u8]) -> Result<()>,
) -> Result<ChunkId> {
    let mut root = Folder::default();
    for file in files {
        let shown = file.path.join("/");
        let Some((name, above)) = file.path.split_last() else {
            return Err(Error::failed("a file of the backup has no name"));
        };
        let mut folder = &mut root;
        for part in above {
            check_name(part, &shown)?;
            folder = folder.folders.entry(part).or_default();
        }
        check_name(name, &shown)?;
        if folder.files.insert(name, file).is_some() {
            return Err(Error::failed(format!("the file `{shown}` is in the backup twice")));
        }
    }
    write(&root, time, store)
}

/// Refuses what would be another path than it says, or none, where it is restored.
fn check_name(name: &str, shown: &str) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::failed(format!("`{}` cannot be the path of a file", shown.escape_debug())));
    }
    Ok(())
}

fn write(
    folder: &Folder<'_>,
    time: Timestamp,
    store: &mut dyn FnMut(ChunkId, &[u8]) -> Result<()>,
) -> Result<ChunkId> {
    let mut nodes = BTreeMap::new();
    for (name, below) in &folder.folders {
        if folder.files.contains_key(name) {
            return Err(Error::failed(format!("`{name}` is both a file and a folder of the backup")));
        }
        let subtree = write(below, time, store)?;
        let mut node = Node::new_node(OsStr::new(name), NodeType::Dir, metadata(FOLDER_MODE, 0, time));
        node.subtree = Some(TreeId::from(to_rustic(&subtree)));
        nodes.insert(*name, node);
    }
    for (name, file) in &folder.files {
        // The size must be right: with size 0 restic restores an empty file (F45).
        let metadata = metadata(FILE_MODE, file.size(), time);
        let mut node = Node::new_node(OsStr::new(name), NodeType::File, metadata);
        node.content = Some(file.chunks.iter().map(|(id, _)| DataId::from(to_rustic(id))).collect());
        nodes.insert(*name, node);
    }
    let mut text = serde_json::to_vec(&Tree { nodes: nodes.into_values().collect() })
        .context("describe a folder of the backup")?;
    // restic ends a tree's text with a line feed, and names it with it.
    text.push(b'\n');
    let id = ChunkId::of(&text);
    store(id, &text)?;
    Ok(id)
}

fn metadata(mode: u32, size: u64, time: Timestamp) -> Metadata {
    Metadata { mode: Some(mode), mtime: Some(time), size, ..Metadata::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &[&str]) -> StoredFile {
        let chunks = vec![(ChunkId::of(b"x"), 1)];
        StoredFile { path: path.iter().map(|part| (*part).to_owned()).collect(), chunks }
    }

    fn refused(files: &[StoredFile]) -> bool {
        build(files, Timestamp::UNIX_EPOCH, &mut |_, _| Ok(())).is_err()
    }

    #[test]
    fn a_path_that_would_be_another_where_it_is_restored_is_refused() {
        for part in ["", ".", "..", "a/b", "a\0b"] {
            assert!(refused(&[file(&["databases", part, "toc.dat"])]), "{part:?}");
            assert!(refused(&[file(&[part])]), "{part:?}");
        }
        assert!(refused(&[file(&[])]));
        assert!(refused(&[file(&["a"]), file(&["a"])]));
        assert!(refused(&[file(&["a"]), file(&["a", "b"])]));
    }

    #[test]
    fn every_folder_becomes_a_tree_and_files_carry_their_size() {
        let mut trees = Vec::new();
        let files = [file(&["manifest.json"]), file(&["databases", "app", "1.dat"])];
        let root = build(&files, Timestamp::UNIX_EPOCH, &mut |id, text| {
            trees.push((id, String::from_utf8(text.to_vec()).unwrap()));
            Ok(())
        })
        .unwrap();
        assert_eq!(trees.len(), 3);
        assert_eq!(trees.last().unwrap().0, root);
        let innermost = &trees[0].1;
        assert!(innermost.ends_with('\n'));
        assert!(innermost.contains(r#""size":1"#), "{innermost}");
        assert!(innermost.contains(r#""mode":384"#), "{innermost}");
        assert!(!innermost.contains("uid"), "{innermost}");
    }
}
