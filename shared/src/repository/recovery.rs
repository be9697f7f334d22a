//! The recovery sheet: all that is needed to read the repository on another host, or without us.
//!
//! It is text for a printer or a password store. The lines `key`, `repository` and `path` are
//! read back by [`import`]; the rest is for people.

use super::{
    keys::{KeyBytes, KeyFolder},
    opening::{Options, Repository},
};
use crate::{
    error::{Context, Error, Result},
    secret::Secret,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use pgbackup_wire::ChunkId;
use rustic_core::{Credentials, KeyOptions, RepositoryBackends, RepositoryOptions, WriteBackend};
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The first line of a sheet.
const TITLE: &str = "pgbackup recovery sheet";
/// How the line with the key begins.
const KEY: &str = "key:";
/// How the line with the repository's id begins.
const REPOSITORY: &str = "repository:";
/// Letters of a generated password: none that a reader could take for another.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Stands before the key where the password is made from it; a change would make other passwords.
const PASSWORD_OF_KEY: &[u8] = b"pgbackup recovery sheet: password 1";

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The repository's id.
    pub repository: String,
    /// The file that now holds its key.
    pub key_file: PathBuf,
    /// Whether it held the same key before.
    pub was_there: bool,
}

impl Repository {
    /// Adds a password that opens the repository, for restic and for hosts without the key file.
    /// One that opens it already is not added again.
    pub fn add_password_key(&self, password: &Secret) -> Result<()> {
        if password.expose().is_empty() {
            return Err(Error::failed("the password is empty"));
        }
        if self.opens_by(password)? {
            return Ok(());
        }
        let options = KeyOptions::default().hostname(self.host().to_owned());
        self.inner
            .rustic
            .add_key(password.expose(), &options)
            .context("add the password to the repository")?;
        Ok(())
    }

    /// Whether a password opens the repository; a third of a second for each that there is.
    fn opens_by(&self, password: &Secret) -> Result<bool> {
        let what = "try the password";
        let shared: Arc<dyn WriteBackend> = Arc::clone(&self.inner.backend) as _;
        let options = RepositoryOptions::default().no_cache(true);
        let rustic = rustic_core::Repository::new(&options, &RepositoryBackends::new(shared, None));
        match rustic.context(what)?.open(&Credentials::password(password.expose())) {
            Ok(_) => Ok(true),
            Err(error) if error.is_incorrect_password() => Ok(false),
            Err(error) => Err(error).context(what),
        }
    }

    /// Adds a password (one made from the key if none is given) and writes the sheet that holds it, the
    /// key, and the commands that read the repository without this program.
    pub fn recovery_sheet(&self, password: Option<&Secret>) -> Result<Secret> {
        let password = password.cloned().unwrap_or_else(|| usual_password(&self.inner.key));
        self.add_password_key(&password)?;
        let path = self.place();
        let (id, key) = (self.id(), key_line(&self.inner.key));
        let password = password.expose();
        Ok(Secret::new(format!(
            "{TITLE}\n\
             \n\
             Whoever has this sheet can read all backups of the repository; without it, and\n\
             without the key file, nobody can. Keep it where the repository is not.\n\
             \n\
             {REPOSITORY} {id}\n\
             path: {path}\n\
             {KEY} {key}\n\
             password: {password}\n\
             \n\
             On another host, save this sheet as a file and run `pgbackup repo key import FILE`.\n\
             \n\
             To read it with restic, which asks for the password:\n\
             \n\
             \x20   restic -r {path} --no-lock snapshots\n\
             \x20   restic -r {path} --no-lock restore SNAPSHOT --target FOLDER\n\
             \n\
             Each folder below `databases/` is then a dump for `pg_restore -Fd`.\n\
             \n\
             Never run `restic prune` or `restic forget --prune` on it: restic does not know\n\
             the locks of this program and would remove what a running backup needs.\n"
        )))
    }
}

/// Reads a recovery sheet and writes the key file for its repository.
///
/// # Errors
///
/// If the text is no such sheet, if its key was mistyped, or if there is another key already.
pub fn import(sheet: &Secret, keys_folder: &Path) -> Result<Imported> {
    let line = |name: &str| {
        sheet.expose().lines().find_map(|line| line.trim().strip_prefix(name).map(str::trim)).ok_or_else(
            || {
                Error::failed("this is not a recovery sheet")
                    .caused_by(format!("no line begins with `{name}`"))
                    .hint("`pgbackup repo key export` on a host that has the key writes one")
            },
        )
    };
    let repository = line(REPOSITORY)?.to_owned();
    if super::rustic::parse_hex(&repository).is_none() {
        return Err(Error::failed("the recovery sheet is damaged")
            .caused_by("the repository's id is not 64 hexadecimal letters"));
    }
    store_key(&repository, &parse_key(line(KEY)?)?, keys_folder)
}

fn store_key(repository: &str, key: &KeyBytes, keys_folder: &Path) -> Result<Imported> {
    let keys = KeyFolder::new(keys_folder);
    let was_there = match keys.read(repository)? {
        Some(there) if there == *key => true,
        Some(_) => {
            let file = keys.file_of(repository);
            return Err(Error::failed(format!("`{}` holds another key", file.display()))
                .hint("if the new one is right, move that file away and run the command again")
                .note("nothing was changed"));
        }
        None => false,
    };
    let key_file = keys.write(repository, key)?;
    Ok(Imported { repository: repository.to_owned(), key_file, was_there })
}

/// Opens a repository by one of its passwords and writes the key file for it, so that it opens
/// without one from then on. This is also how a repository that restic made is taken over.
///
/// # Errors
///
/// As [`open`](super::open); if there is another key already; if there is no password in `options`.
pub fn import_by_password(options: &Options) -> Result<Imported> {
    if options.password.is_none() {
        return Err(Error::failed("no password was given"));
    }
    let repository = super::open(options)?;
    store_key(repository.id(), &repository.inner.key, &options.keys_folder)
}

/// The key and eight letters of its hash, so that a mistyped key is noticed.
fn key_line(key: &KeyBytes) -> String {
    format!("{} {}", BASE64.encode(key), check_letters(key))
}

fn parse_key(line: &str) -> Result<KeyBytes> {
    let damaged = |why: &str| Error::failed("the recovery sheet is damaged").caused_by(why);
    let mut words = line.split_whitespace();
    let key: KeyBytes = words
        .next()
        .and_then(|word| BASE64.decode(word).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| damaged("the key is not 64 bytes in base64"))?;
    if words.next() != Some(check_letters(&key).as_str()) {
        return Err(damaged("the key does not fit its check letters: was it copied by hand?"));
    }
    Ok(key)
}

fn check_letters(key: &KeyBytes) -> String {
    ChunkId::of(key).to_string().chars().take(8).collect()
}

/// Six groups of five letters, 148 bits, made from the key: every sheet of a repository has the
/// same password, so that printing one again adds no other key. Who knows the password gets the
/// key from the repository anyway; the way back from one without the other is a hash.
fn usual_password(key: &KeyBytes) -> Secret {
    // Bytes above the largest multiple of the number of letters would favour the first ones.
    let fair = u8::try_from(256 / LETTERS.len() * LETTERS.len() - 1).unwrap_or(u8::MAX);
    let letters: Vec<char> = (0_u8..)
        .flat_map(|round| {
            let hash = Sha256::new().chain_update(PASSWORD_OF_KEY).chain_update([round]).chain_update(key);
            <[u8; 32]>::from(hash.finalize())
        })
        .filter(|byte| *byte <= fair)
        .filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()))
        .map(|letter| char::from(*letter))
        .take(30)
        .collect();
    let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
    Secret::new(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::keys::random_key;

    #[test]
    fn a_mistyped_key_is_noticed() {
        let key = random_key();
        let line = key_line(&key);
        assert_eq!(parse_key(&line).unwrap(), key);
        let other = if line.starts_with('A') { "B" } else { "A" };
        let mistyped = format!("{other}{}", line.get(1..).unwrap());
        assert!(parse_key(&mistyped).is_err());
        assert!(parse_key(line.split(' ').next().unwrap()).is_err());
    }

    #[test]
    fn the_usual_password_is_long_always_the_same_and_another_for_another_key() {
        let (one, other) = (usual_password(&[1; 64]), usual_password(&[2; 64]));
        assert_eq!(one.expose().len(), 35);
        assert_ne!(one, other);
        // Sheets that were printed stay true.
        assert_eq!(one.expose(), "s9d7f-aggsc-d5cwc-ys5j5-unvx9-afsjf");
    }
}
