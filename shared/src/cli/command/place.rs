//! Which container is meant: options shared by the commands that work on a server.

use crate::{
    mover::{MoverUse, PlaceOptions},
    target::Selection,
};
use clap::{Args, ValueEnum};

/// What the command line says about the container.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which container")]
pub(in crate::cli) struct Attributes {
    /// A container of this Compose service
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,

    /// A container of this Compose project
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,

    /// A container with this label (can be repeated; all must hold)
    #[arg(long = "filter", value_name = "label=KEY[=VALUE]", value_parser = label)]
    pub labels: Vec<(String, Option<String>)>,
}

impl Attributes {
    /// What was said, together with a container's name or the beginning of its id.
    pub fn selection(&self, container: Option<&str>) -> Selection {
        Selection {
            name: container.map(Into::into),
            service: self.service.clone(),
            project: self.project.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// Whether there is a mover, and where it is put.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "In the container")]
pub(in crate::cli) struct MoverPlace {
    /// Whether a small program is put next to the data while the command runs
    ///
    /// With `never` all goes through sh, psql and the server's own tools, which is slower: for
    /// places where nothing may be run that is not part of the image. With `auto` that is the
    /// way where the mover cannot be placed or started; `-v` says why.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub mover: MoverWhen,

    /// The folder in the container that the mover is written to
    ///
    /// The mover is a small program that runs next to the data and is gone when the command
    /// ends. Without this option the first folder that can hold and run a program is taken:
    /// /tmp, /var/tmp, the server's socket folder, the folder above its data, /dev/shm, HOME.
    #[arg(long, value_name = "FOLDER", conflicts_with = "mover")]
    pub mover_dir: Option<String>,
}

/// When the mover is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MoverWhen {
    /// Where it can be placed and started
    #[default]
    Auto,
    /// Never
    Never,
}

impl MoverPlace {
    /// What was said, as the verbs take it.
    pub fn options(&self) -> PlaceOptions {
        let mover = match self.mover {
            MoverWhen::Auto => MoverUse::Auto,
            MoverWhen::Never => MoverUse::Never,
        };
        PlaceOptions { mover, folder: self.mover_dir.clone(), ..PlaceOptions::default() }
    }
}

/// Reads `label=key` and `label=key=value`.
fn label(text: &str) -> Result<(String, Option<String>), String> {
    let Some(label) = text.strip_prefix("label=").filter(|label| !label.is_empty()) else {
        return Err("only `label=KEY` and `label=KEY=VALUE` are understood".into());
    };
    match label.split_once('=') {
        Some((key, value)) => Ok((key.into(), Some(value.into()))),
        None => Ok((label.into(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_may_hold_equal_signs_in_its_value() {
        assert_eq!(label("label=a=b=c").unwrap(), ("a".into(), Some("b=c".into())));
        assert_eq!(label("label=a").unwrap(), ("a".into(), None));
    }

    #[test]
    fn a_filter_that_is_not_understood_is_refused() {
        assert!(label("name=x").is_err());
        assert!(label("label=").is_err());
    }
}
