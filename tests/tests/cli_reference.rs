//! docs/reference.md is what the program says of itself.

use std::{env, fs, path::Path};

#[test]
fn the_reference_page_is_what_the_help_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    let made = pgbackup_engine::cli::reference("docker pgbackup");

    if env::var_os("UPDATE").is_some() {
        fs::write(&page, &made).unwrap();
    }

    let kept = fs::read_to_string(&page).unwrap();
    assert!(
        kept == made,
        "docs/reference.md is not what the program says; make it anew with \
         `UPDATE=1 cargo test -p pgbackup-tests --test cli_reference` and look at the difference"
    );
}
