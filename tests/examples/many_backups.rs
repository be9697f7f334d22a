//! `many_backups REPOSITORY KEYS_FOLDER COUNT`: fills a repository with copies of its newest backup.
//!
//! For the bench of `list`: a thousand backups of real shape, each with its own manifest, index
//! and snapshot, in the time that twenty would take with a server. The copies' times are an hour
//! apart and end at the original's.

use anyhow::{Context, Result, anyhow};
use pgbackup_engine::{
    cancel::Cancel,
    catalog::{self, Record},
    clock::SystemClock,
    repository::{NewSnapshot, Options, S3Variables, StoredFile, open},
};
use std::time::Duration;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [repository, keys_folder, count] = arguments.as_slice() else {
        return Err(anyhow!("usage: many_backups REPOSITORY KEYS_FOLDER COUNT"));
    };
    let count: u32 = count.parse().context("COUNT is a number")?;
    let memory = tempfile::tempdir()?;
    let repository = open(&Options {
        repository: repository.clone(),
        keys_folder: keys_folder.into(),
        known_places_file: memory.path().join("places.json"),
        password: None,
        s3: S3Variables::read(&|name| std::env::var(name).ok()),
        cancel: Cancel::default(),
        host: "bench".to_owned(),
    })?;
    let backups = catalog::list(&repository)?;
    let original = backups.there.last().context("the repository holds no backup to copy")?;
    let _lock = repository.lock_shared("fill", &SystemClock)?;
    let reader = repository.reader()?;
    let manifest = catalog::read_manifest(&reader, original)?;
    let files = reader.files(&original.id)?;
    for number in 1..=count {
        let writer = repository.writer()?;
        let mut manifest = manifest.clone();
        manifest.name = format!("{}-{number}", original.record.name);
        let text = serde_json::to_vec(&manifest)?;
        let mut files = files.clone();
        files.retain(|file| file.path != ["manifest.json"]);
        files.push(StoredFile {
            path: vec!["manifest.json".to_owned()],
            chunks: vec![(writer.add_plain(&text)?, u32::try_from(text.len())?)],
        });
        let record = Record::of(&manifest, &text, writer.new_bytes(), original.record.seconds);
        let snapshot = NewSnapshot {
            time: original.time - Duration::from_hours(1) * number,
            label: manifest.name.clone(),
            host: original.host.clone(),
            tags: Vec::new(),
            description: record.to_description()?,
        };
        writer.commit(files, snapshot)?;
    }
    Ok(())
}
