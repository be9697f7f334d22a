//! Pictures of the command line: what is typed, and what comes back on both streams, with the
//! exit status. Everything around it stands still: the clock, the platform, the home folder.
//!
//! `cargo insta test --review -p pgbackup-tests --test cli_pictures` takes them anew.

mod pictures {
    mod completion;
    mod exit_statuses;
    mod formats;
    mod person;
    mod repository;
    mod usage;
}
