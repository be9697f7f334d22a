//! Large objects in the directory format.

use crate::postgres::archive::LargeObjectGroup;

/// The file of one large object.
pub(super) fn file(oid: u32) -> String {
    format!("blob_{oid}.dat")
}

/// The small files that say which large objects an entry has: name and text.
pub(super) fn lists(groups: &[LargeObjectGroup]) -> Vec<(String, Vec<u8>)> {
    groups.iter().map(|group| (group.file.clone(), group.list().into_bytes())).collect()
}
