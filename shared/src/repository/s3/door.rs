//! The small storage door over S3: marker and locks.
//!
//! A lock needs no more of a server than listings that show what was written. Where the server
//! writes on condition, a renewal cannot bring back a lock that was removed a moment before.

use super::client::{Client, Replacing};
use crate::{
    error::Result,
    repository::door::{Door, Listed},
};
use std::sync::Arc;

/// The door over a bucket.
pub(in crate::repository) struct S3Door {
    client: Arc<Client>,
    /// The folder of ours, with a slash at its end.
    folder: String,
}

impl S3Door {
    pub(in crate::repository) fn new(client: Arc<Client>, folder: &str) -> Self {
        Self { client, folder: format!("{folder}/") }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }
}

impl Door for S3Door {
    fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let folder = format!("{}/", self.name(folder));
        let objects = self.client.list(&folder)?.into_iter();
        let listed = objects.filter_map(|object| {
            let name = object.name.strip_prefix(&folder)?.to_owned();
            (!name.is_empty()).then(|| Listed { name, modified: object.modified.into() })
        });
        Ok(listed.collect())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.client.read(&self.name(name))?.map(|object| object.content.into()))
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        self.client.write(&self.name(name), content, Replacing::Any).map(drop)
    }

    fn touch(&self, name: &str) -> Result<bool> {
        let name = self.name(name);
        let Some(object) = self.client.read(&name)? else { return Ok(false) };
        let replacing = object.tag.as_deref().map_or(Replacing::Any, Replacing::Only);
        self.client.write(&name, &object.content, replacing)
    }

    fn remove(&self, name: &str) -> Result<bool> {
        let name = self.name(name);
        let was_there = self.client.read(&name)?.is_some();
        self.client.remove(&name)?;
        Ok(was_there)
    }
}
