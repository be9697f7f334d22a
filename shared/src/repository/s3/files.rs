//! restic's files in a bucket, in restic's own layout.
//!
//! Packs are read in windows of a megabyte, of which the last few are kept: a chunk alone would
//! cost a request, and chunks are read in the order in which they stand.

use super::client::{Client, Replacing};
use crate::{
    error::{Error, Result},
    repository::{
        files::{Files, Leftover},
        lock_file::{self, STALE_AFTER},
        lock_guard::Guard,
        opening::OURS,
    },
};
use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How much of a pack is read at once.
const WINDOW: u64 = 1 << 20;
/// How many windows are kept: two for each session of a restore and then some.
const WINDOWS: usize = 24;
/// How many small files are read side by side: a round trip each is what they cost.
const READERS: usize = 16;

/// A part of a pack; empty until somebody has read it.
struct Window {
    pack: Id,
    number: u64,
    content: Mutex<Option<Bytes>>,
}

/// A repository's files in a bucket.
pub(in crate::repository) struct S3Files {
    client: Arc<Client>,
    guard: Guard,
    windows: Mutex<VecDeque<Arc<Window>>>,
}

impl S3Files {
    pub(in crate::repository) fn new(client: Arc<Client>, guard: Guard) -> Self {
        Self { client, guard, windows: Mutex::default() }
    }

    /// A window of a pack, read by the first who wants it.
    fn window(&self, pack: &Id, number: u64) -> Result<Bytes> {
        let window = {
            let mut windows = lock(&self.windows);
            let found = windows.iter().find(|it| it.pack == *pack && it.number == number).cloned();
            found.unwrap_or_else(|| {
                let made = Arc::new(Window { pack: *pack, number, content: Mutex::default() });
                if windows.len() >= WINDOWS {
                    windows.pop_front();
                }
                windows.push_back(Arc::clone(&made));
                made
            })
        };
        let mut content = lock(&window.content);
        if let Some(content) = &*content {
            return Ok(content.clone());
        }
        let name = name(FileType::Pack, pack);
        let read = self.client.read_part(&name, number * WINDOW, WINDOW)?.ok_or_else(|| absent(&name))?;
        *content = Some(read.clone());
        Ok(read)
    }

    fn part(&self, pack: &Id, offset: u64, length: u64) -> Result<Bytes> {
        let short = |came: usize| {
            Error::failed(format!("the pack `{}` is too short", pack.to_hex().as_str()))
                .caused_by(format!("{length} bytes from {offset} on were asked for, {came} came"))
        };
        let (first, last) = (offset / WINDOW, (offset + length).max(1).div_ceil(WINDOW) - 1);
        if last > first + 1 {
            let name = name(FileType::Pack, pack);
            let part = self.client.read_part(&name, offset, length)?.ok_or_else(|| absent(&name))?;
            return if part.len() as u64 == length { Ok(part) } else { Err(short(part.len())) };
        }
        let mut content = Vec::with_capacity(length as usize);
        for number in first..=last {
            let window = self.window(pack, number)?;
            let start = offset.saturating_sub(number * WINDOW) as usize;
            let end = ((offset + length - number * WINDOW) as usize).min(window.len());
            content.extend_from_slice(window.get(start..end).unwrap_or_default());
        }
        if content.len() as u64 == length { Ok(content.into()) } else { Err(short(content.len())) }
    }
}

impl Files for S3Files {
    fn leftovers(&self) -> Result<Vec<Leftover>> {
        let objects = self.client.list(&format!("{OURS}/{}/", lock_file::FOLDER))?;
        // The lock of the one who asks was renewed a moment ago, so that the newest is the present.
        let Some(now) = objects.iter().map(|object| object.modified).max() else { return Ok(Vec::new()) };
        let old = objects.into_iter().filter(|object| {
            object.name.ends_with(lock_file::TIME)
                && now.duration_since(object.modified).unsigned_abs() > STALE_AFTER
        });
        Ok(old.map(|object| Leftover { name: object.name, length: object.size }).collect())
    }

    fn remove_leftover(&self, leftover: &Leftover) -> Result<()> {
        self.client.remove(&leftover.name)
    }

    fn trouble(&self) -> Option<Error> {
        self.client.trouble()
    }

    fn readers(&self) -> usize {
        READERS
    }
}

impl ReadBackend for S3Files {
    fn location(&self) -> String {
        self.client.address().text()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            let config = self.client.read("config").map_err(foreign)?;
            return Ok(config
                .map(|config| (Id::default(), config.content.len() as u32))
                .into_iter()
                .collect());
        }
        let objects = self.client.list(&format!("{}/", kind.dirname())).map_err(foreign)?.into_iter();
        let files = objects.filter_map(|object| {
            let id = object.name.rsplit('/').next()?.parse().ok()?;
            Some((id, u32::try_from(object.size).unwrap_or(u32::MAX)))
        });
        Ok(files.collect())
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let name = name(kind, id);
        match self.client.read(&name) {
            Ok(Some(object)) => Ok(object.content),
            Ok(None) => Err(foreign(absent(&name))),
            Err(error) => Err(foreign(error)),
        }
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        if kind == FileType::Pack {
            return self.part(id, offset.into(), length.into()).map_err(foreign);
        }
        let name = name(kind, id);
        let part = self.client.read_part(&name, offset.into(), length.into()).map_err(foreign)?;
        part.filter(|part| part.len() == length as usize).ok_or_else(|| foreign(absent(&name)))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        name(kind, id)
    }
}

impl WriteBackend for S3Files {
    fn write_bytes(&self, kind: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        if kind == FileType::Snapshot {
            self.guard.require_any("record the backup").map_err(foreign)?;
        }
        let name = name(kind, id);
        let written = match content.slice() {
            [content] => self.client.write(&name, content, Replacing::Any),
            pieces => self.client.write(&name, &pieces.concat(), Replacing::Any),
        };
        written.map(drop).map_err(|error| {
            foreign(if kind == FileType::Snapshot {
                error.hint("the server may have recorded it all the same, whole: look with `pgbackup list`")
            } else {
                error
            })
        })
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        if matches!(kind, FileType::Pack | FileType::Index) {
            self.guard.require_alone("remove a pack").map_err(foreign)?;
        }
        self.client.remove(&name(kind, id)).map_err(foreign)
    }
}

/// restic's layout: packs in folders by the first two letters of their names.
fn name(kind: FileType, id: &Id) -> String {
    let id = id.to_hex();
    match kind {
        FileType::Config => "config".to_owned(),
        FileType::Pack => {
            format!("{}/{}/{}", kind.dirname(), id.as_str().get(..2).unwrap_or_default(), id.as_str())
        }
        _ => format!("{}/{}", kind.dirname(), id.as_str()),
    }
}

fn absent(name: &str) -> Error {
    Error::failed(format!("`{name}` is not in the bucket"))
}

fn foreign(error: Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "the S3 request failed", error)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
