//! What a restore would do, found out before anything is touched.

use crate::error::Error;
use serde::Serialize;

/// What a restore would do. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RestorePlan {
    /// The backup's name.
    pub backup: String,
    /// The target's name.
    pub target: String,
    /// The server's version: `17.2 (Debian 17.2-1)`.
    pub server_version: String,
    /// The version of the server that was backed up.
    pub backup_version: String,
    /// Whether the backup is of another server (another system identifier); none if it cannot
    /// be told.
    pub other_server: Option<bool>,
    /// The databases that will be there.
    pub databases: Vec<PlannedDatabase>,
    /// What of the database is restored, where that is not everything.
    pub part: Option<PlannedPart>,
    /// Roles that will be created.
    pub roles_to_create: Vec<String>,
    /// Roles of the backup that exist and stay as they are.
    pub roles_kept: Vec<String>,
    /// Roles that get the backup's attributes, with what becomes of them.
    pub roles_changed: Vec<String>,
    /// What else will be done to what belongs to the whole server.
    pub globals: Vec<String>,
    /// What interrupted restores left; it will be dropped.
    pub leftovers: Vec<LeftoverPlan>,
    /// Databases that earlier restores and undos keep; they stay.
    pub kept: Vec<super::KeptDatabase>,
    /// Free space where the server keeps its data, if it can be told.
    pub free: Option<u64>,
    /// What the new databases will need, by the sizes they had.
    pub needed: u64,
    /// What is in the way. A restore with an obstacle is refused.
    pub obstacles: Vec<Obstacle>,
    /// What should be known, though it is not in the way.
    pub remarks: Vec<String>,
}

/// One database of a [`RestorePlan`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlannedDatabase {
    /// Its name in the backup.
    pub from: String,
    /// The name it will have.
    pub name: String,
    /// Its size when it was backed up.
    pub size: u64,
    /// Its tables.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// The database that has this name now.
    pub replaces: Option<Replaced>,
}

/// What of a database is restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlannedPart {
    /// It is added to a database that is there; nothing in it is replaced.
    pub adds: bool,
    /// What is made or filled.
    pub objects: Vec<PlannedObject>,
    /// What belongs to that and is left out, with the reason.
    pub left_out: Vec<String>,
}

/// Something that a part makes or fills.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PlannedObject {
    /// `table`, `index` ...
    pub kind: String,
    /// Its name with its schema; of a constraint or trigger that of its table in front.
    pub name: String,
    /// Rows that are loaded into it.
    pub rows: Option<u64>,
}

/// A database that a restore takes the place of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replaced {
    /// Its size now.
    pub size: u64,
    /// The name it will be kept under, or none if it will be dropped.
    pub kept_as: Option<String>,
    /// Sessions that are connected to it.
    pub sessions: u64,
}

/// A database that an interrupted restore left.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LeftoverPlan {
    /// Its name.
    pub name: String,
    /// The database that it was going to be.
    pub database: String,
    /// Its size.
    pub size: u64,
}

/// Something that is in the way of a restore or an undo.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Obstacle {
    /// What it is: lower case, no full stop, the thing in backticks.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl RestorePlan {
    /// The error that refuses this plan, if something is in the way.
    pub fn refusal(&self) -> Option<Error> {
        refusal(&format!("restore of `{}` was refused", self.backup), &self.obstacles)
    }
}

/// The error that refuses a plan for what is in its way, or none if nothing is.
pub(super) fn refusal(what: &str, obstacles: &[Obstacle]) -> Option<Error> {
    obstacles_error(what, obstacles).map(|error| error.note("nothing was changed"))
}

/// The error that a list of obstacles makes, or none if nothing is in the way.
pub(super) fn obstacles_error(what: &str, obstacles: &[Obstacle]) -> Option<Error> {
    let mut error = Error::failed(what);
    for obstacle in obstacles {
        error = error.caused_by(&obstacle.what);
        if let Some(hint) = &obstacle.hint {
            error = error.hint(hint.clone());
        }
    }
    (!obstacles.is_empty()).then_some(error)
}
