//! `completion`: a script that has a shell ask the plugin what can be typed next.

use crate::{
    cli::{
        caller::Caller,
        complete::{Shell, script},
    },
    error::Result,
};
use clap::Args;

/// Write a script that completes the standalone program
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const LONG_ABOUT: &str = "\
Write a script that completes the standalone program

A plugin needs no script of its own: the one of the program that it is a plugin of asks it. This
one is for where it is called by its own name. Completed are commands, options, backups, their
databases, containers, and values.

Examples:
  {plugin} completion bash > ~/.local/share/bash-completion/completions/{program}
  {plugin} completion zsh > \"${fpath[1]}/_{program}\"
  {plugin} completion fish > ~/.config/fish/completions/{program}.fish

Exit status:
  0    done";

pub(in crate::cli) fn run(arguments: &CompletionArgs, caller: &Caller<'_>) -> Result<()> {
    caller.print_as_it_is(&script(arguments.shell, &caller.brand.replace(' ', "-")))
}
