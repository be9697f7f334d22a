//! What every verb that works on a server needs of the world.

use crate::{cancel::Cancel, clock::Clock, event::Observer, target::Runtime};

/// The platform, the time, who is told, and whether to go on.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where the server runs.
    pub runtime: &'a dyn Runtime,
    /// Its kind, as backups record it: `docker` or `kubernetes`.
    pub platform: &'a str,
    /// This machine's name, as backups record it.
    pub host: &'a str,
    /// Where time comes from.
    pub clock: &'a dyn Clock,
    /// Who is told what happens.
    pub observer: &'a dyn Observer,
    /// Raised when the user wants to stop.
    pub cancel: &'a Cancel,
}
