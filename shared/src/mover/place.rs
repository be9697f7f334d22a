//! Writing the mover into a folder of the container where it can run.
//!
//! One exec of a POSIX shell does it. It says which machine it is on, finds a folder that can
//! be written and run from, takes the program from its standard input (first a line with its
//! size and hash, then so many bytes), runs it only if it is the right one, lets it print its own
//! hash, and says where it is. A folder where that failed after the bytes were read is left out at
//! the next try. Nobody says here that he is alive, so a script on whose streams nothing moves any
//! more is given up after a while.

use super::{embedded, patience::Patience, start::MoverUse};
use crate::{
    cancel::Cancel,
    error::{Context as _, Error, Result},
    target::{Runtime, Session, SessionControl, Target},
};
use pgbackup_wire::ChunkId;
use std::{
    io::{BufRead, BufReader, Read, Write},
    sync::Arc,
    time::Duration,
};

/// Pieces in which the program is sent; each that was taken shows that something moves.
const PIECE: usize = 64 << 10;

/// How the mover is placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceOptions {
    /// Whether there is to be a mover at all.
    pub mover: MoverUse,
    /// The only folder to try, instead of the usual ones.
    pub folder: Option<String>,
    /// Path of a POSIX shell in the container, instead of the `sh` that is on its path.
    pub shell: Option<String>,
}

/// A mover that lies ready in the container, until this is dropped or this process is gone: the
/// script that placed it waits for the end of its input and then removes the file. A mover that
/// has started has removed it itself.
pub(super) struct Placed {
    pub(super) path: String,
    pub(super) build: [u8; 32],
    input: Option<Input>,
    control: Option<Arc<dyn SessionControl>>,
}

type Input = Box<dyn Write + Send>;

impl Drop for Placed {
    fn drop(&mut self) {
        self.input = None;
        if let Some(control) = self.control.take() {
            // Nobody has to wait for the script, but its stream must end.
            std::thread::spawn(move || {
                let _ = control.wait(Duration::from_secs(10));
                control.abort();
            });
        }
    }
}

/// Folders already tried are `$2`, parted by `:`; the only folder, if one is asked for, is
/// `$1`. Files that a dead run left (it was killed between placing and starting) are removed
/// when they are five minutes old; a running mover has no file.
///
/// It ends when its input does, so that nothing of what it said last is lost with it.
///
/// A program whose hash is not `$right` is not run, where there is something to tell by; what it
/// says of itself is compared in any case.
///
/// Whether programs run from a folder is tried with a script that names no interpreter: the
/// kernel says noexec before it looks at the content, and what it cannot read otherwise the
/// shell runs by itself. A shell need not know its own path (busybox's `command -v sh` says
/// `sh`). Source: POSIX, "Command Search and Execution", on ENOEXEC.
const SCRIPT: &str = r#"
only=$1 tried=$2 mark=$3
is_right() { hash=$(sha256sum <"$1" 2>/dev/null) || return 0; [ "${hash%% *}" = "$right" ]; }
echo "machine $(uname -m)"
read -r size right || exit 0
now=$(date +%s)
set -- /tmp /var/tmp /var/run/postgresql "${PGDATA:+$PGDATA/..}" /dev/shm "$HOME"
[ -z "$only" ] || set -- "$only"
for folder do
  [ -n "$folder" ] && [ -d "$folder" ] || continue
  case ":$tried:" in *":$folder:"*) continue ;; esac
  for old in "$folder"/pgbackup-mover-*-*; do
    [ -f "$old" ] || continue
    stamp=${old##*/pgbackup-mover-}
    stamp=${stamp%%-*}
    case $stamp in '' | *[!0-9]*) continue ;; esac
    [ $((now - stamp)) -lt 300 ] || rm -f "$old"
  done
  file=$folder/pgbackup-mover-$now-$mark
  echo 'exit 0' 2>/dev/null >"$file" || { rm -f "$file"; echo "skipped $folder: cannot be written"; continue; }
  chmod 755 "$file" 2>/dev/null
  "$file" 2>/dev/null || { rm -f "$file"; echo "skipped $folder: programs cannot be run from it"; continue; }
  rm -f "$file"
  echo "ready"
  head -c "$size" 2>/dev/null >"$file" && is_right "$file" && chmod 755 "$file" && hash=$("$file" check 2>&1) && {
    echo "hash $hash"
    echo "placed $file"
    read -r end
    rm -f "$file"
    exit 0
  }
  rm -f "$file"
  echo "failed $folder"
  cat >/dev/null
  exit 0
done
echo "nowhere"
cat >/dev/null
"#;

/// Places the mover; the folders are tried in the order of the script.
pub(super) fn place(
    runtime: &dyn Runtime,
    target: &Target,
    options: &PlaceOptions,
    cancel: &Cancel,
) -> Result<Placed> {
    let mut tried: Vec<String> = Vec::new();
    let mut reasons = Vec::new();
    loop {
        let argv = [
            options.shell.as_deref().unwrap_or("sh"),
            "-c",
            SCRIPT,
            "sh",
            options.folder.as_deref().unwrap_or_default(),
            &tried.join(":"),
            &format!("{:08x}", rand::random::<u32>()),
        ];
        let session = runtime
            .exec(target, &argv.map(str::to_owned))
            .context(format!("place the mover in `{}`", target.name))?;
        let attempt = attempt(session, cancel).context(format!("place the mover in `{}`", target.name))?;
        reasons.extend(attempt.reasons);
        match attempt.end {
            End::Placed(placed) => return Ok(placed),
            End::Failed(folder) if !tried.contains(&folder) => {
                reasons.push(format!("{folder}: the program was not whole, or did not run"));
                tried.push(folder);
            }
            End::Failed(_) | End::Nowhere => return Err(nowhere(target, &reasons)),
        }
    }
}

fn nowhere(target: &Target, reasons: &[String]) -> Error {
    let error =
        Error::failed(format!("no folder in `{}` where the mover can be written and run", target.name));
    reasons
        .iter()
        .fold(error, Error::caused_by)
        .hint("name a folder of the container that is writable and not mounted noexec")
}

struct Attempt {
    end: End,
    reasons: Vec<String>,
}

enum End {
    Placed(Placed),
    Failed(String),
    Nowhere,
}

/// Speaks with the script of one exec.
fn attempt(session: Session, cancel: &Cancel) -> Result<Attempt> {
    let control = Arc::clone(&session.control);
    let aborting = Arc::clone(&control);
    let waiting = cancel.on_cancel(move || aborting.abort());
    let mut stderr = session.stderr;
    let complaints = std::thread::spawn(move || {
        let mut said = Vec::new();
        // What could be read is told; a broken stream shows in standard output.
        let _ = (&mut stderr).take(8 << 10).read_to_end(&mut said);
        String::from_utf8_lossy(&said).trim().to_owned()
    });
    let patience = Patience::with(Arc::clone(&control));
    let result = dialogue(session.stdin, BufReader::new(session.stdout), &patience);
    let gave_up = patience.end();
    drop(waiting);
    match result {
        Ok(Attempt { end: End::Placed(mut placed), reasons }) => {
            placed.control = Some(control);
            Ok(Attempt { end: End::Placed(placed), reasons })
        }
        Ok(attempt) => {
            // The script has said its last word: its status adds nothing, and a write of what it
            // did not want to read must end.
            control.abort();
            Ok(attempt)
        }
        Err(error) => {
            control.abort();
            cancel.check()?;
            let error = gave_up.map_or(error, |waited| {
                let seconds = waited.as_secs();
                Error::failed("shell in the container does not answer")
                    .caused_by(format!("nothing has moved on its streams for {seconds} seconds"))
            });
            let said = complaints.join().unwrap_or_default();
            Err(if said.is_empty() { error } else { error.caused_by(said) })
        }
    }
}

fn dialogue(
    mut stdin: Box<dyn Write + Send>,
    stdout: impl BufRead,
    patience: &Arc<Patience>,
) -> Result<Attempt> {
    let mut lines = stdout.lines();
    let mut next = || {
        let line = lines.next().transpose().context("read what the shell in the container says");
        patience.renew();
        line
    };
    let early = || Error::failed("shell in the container ended early");
    let machine = next()?.ok_or_else(early)?;
    let machine = machine.strip_prefix("machine ").ok_or_else(early)?.to_owned();
    let program = embedded::for_machine(&machine)?;
    let mut reasons = Vec::new();
    writeln!(stdin, "{} {}", program.bytes.len(), ChunkId(program.build()))
        .and_then(|()| stdin.flush())
        .context("speak with the shell in the container")?;
    let mut stdin = Some(stdin);
    let mut sending = None;
    let mut hash = String::new();
    loop {
        let line = next()?.ok_or_else(early)?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let end = match word {
            "ready" => {
                if let Some(mut stdin) = stdin.take() {
                    // The shell may end without having read all (a full disk): what it says
                    // decides, not the write, which must not block this thread.
                    let patience = Arc::clone(patience);
                    sending = Some(std::thread::spawn(move || {
                        for piece in program.bytes.chunks(PIECE) {
                            stdin.write_all(piece)?;
                            patience.renew();
                        }
                        stdin.flush().map(|()| stdin)
                    }));
                }
                continue;
            }
            "hash" => {
                rest.clone_into(&mut hash);
                continue;
            }
            "skipped" => {
                reasons.push(rest.to_owned());
                continue;
            }
            "placed" => {
                let build = program.build();
                if hash != ChunkId(build).to_string() {
                    return Err(
                        Error::failed("mover that was placed is not the one that was sent").caused_by(hash)
                    );
                }
                let input = sending.take().and_then(|sending| sending.join().ok()?.ok());
                End::Placed(Placed { path: rest.to_owned(), build, input, control: None })
            }
            "failed" => End::Failed(rest.to_owned()),
            "nowhere" => End::Nowhere,
            _ => return Err(early().caused_by(line)),
        };
        return Ok(Attempt { end, reasons });
    }
}
