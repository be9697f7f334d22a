//! The reference page: what every command says of itself, in one document.

use super::arguments;
use std::fmt::Write;

/// Returns the reference as Markdown, made from the commands' own help.
pub fn reference(brand: &'static str) -> String {
    let mut tree = arguments::tree(brand, None);
    tree.build();
    let mut page = String::from(
        "# Reference\n\nEvery command with its options, as `--help` shows it. This page is made from \
         the program;\n`UPDATE=1 cargo test -p pgbackup-tests --test cli_reference` makes it anew.\n",
    );
    describe(&mut page, &mut tree, brand);
    page
}

fn describe(page: &mut String, command: &mut clap::Command, path: &str) {
    let help = command.render_long_help().to_string();
    let _ = write!(page, "\n## {path}\n\n```text\n");
    for line in help.lines() {
        let _ = writeln!(page, "{}", line.trim_end());
    }
    page.push_str("```\n");
    for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
        let path = format!("{path} {}", below.get_name());
        describe(page, below, &path);
    }
}
