//! Scripts for shells, for where those of `docker` or `kubectl` do not reach.

use clap::ValueEnum;

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Shell {
    /// GNU Bash 4 and later
    Bash,
    /// Z shell
    Zsh,
    /// fish 3 and later
    Fish,
}

/// Returns the script that has `shell` ask the program of this name.
pub(in crate::cli) fn script(shell: Shell, program: &str) -> String {
    let text = match shell {
        Shell::Bash => include_str!("scripts/completion.bash"),
        Shell::Zsh => include_str!("scripts/completion.zsh"),
        Shell::Fish => include_str!("scripts/completion.fish"),
    };
    text.replace("@PROGRAM@", program).replace("@FUNCTION@", &program.replace('-', "_"))
}
