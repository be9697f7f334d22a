//! Whether a PostgreSQL server is among the processes of a container.

use bollard::models::ContainerTopResponse;

/// Tells whether one of `processes` is a server, by its command line as `ps` shows it.
///
/// It does not matter how the image is called, where the program lies, or under which user it
/// runs. A server is the postmaster, or its checkpointer, which every server has; a server that
/// `initdb` starts for itself (`--boot`, `--single`) is none.
///
/// Source: PostgreSQL manual, "Standard Unix Tools" (titles of processes) and `postgres`
/// (options); `postmaster` is the program's old name.
pub fn hold_a_server(processes: &ContainerTopResponse) -> bool {
    let titles = processes.titles.as_deref().unwrap_or_default();
    // The column is called CMD by procps and COMMAND by busybox, and is the last in both.
    let column = titles
        .iter()
        .position(|title| title == "CMD" || title == "COMMAND")
        .unwrap_or(titles.len().saturating_sub(1));
    processes
        .processes
        .iter()
        .flatten()
        .filter_map(|process| process.get(column))
        .any(|command| is_postmaster(command) || is_checkpointer(command))
}

fn is_postmaster(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    matches!(name, "postgres" | "postmaster") && !words.any(is_of_single_user)
}

/// Options with which the program is no server but does one thing and ends.
fn is_of_single_user(option: &str) -> bool {
    matches!(option, "--boot" | "--check" | "--single" | "--describe-config" | "--version" | "-V" | "-C")
}

/// `postgres: checkpointer`, or `postgres: 17/main: checkpointer` with a cluster's name.
fn is_checkpointer(command: &str) -> bool {
    command.strip_prefix("postgres: ").is_some_and(|title| {
        let role = title.rsplit(": ").next().unwrap_or(title);
        role.split_whitespace().next() == Some("checkpointer")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(commands: &[&str]) -> bool {
        hold_a_server(&ContainerTopResponse {
            titles: Some(["UID", "PID", "CMD"].map(str::to_owned).to_vec()),
            processes: Some(
                commands.iter().map(|&command| vec!["999".into(), "1".into(), command.into()]).collect(),
            ),
        })
    }

    #[test]
    fn a_server_is_known_by_its_postmaster_wherever_it_lies() {
        for command in [
            "postgres",
            "postgres -c max_connections=10",
            "/usr/lib/postgresql/13/bin/postgres -D /data",
            "/opt/bitnami/postgresql/bin/postgres -D /bitnami/postgresql/data --config-file=x --external_pid_file=y",
            "/usr/bin/postmaster -D /x",
        ] {
            assert!(server(&["/bin/bash /run.sh", command]), "{command}");
        }
    }

    #[test]
    fn a_server_is_known_by_its_checkpointer() {
        assert!(server(&["timescale-launcher", "postgres: checkpointer "]));
        assert!(server(&["postgres: 17/main: checkpointer "]));
    }

    #[test]
    fn what_is_only_near_a_server_is_none() {
        for command in [
            "psql -h postgres",
            "/bin/postgres_exporter",
            "pgbouncer /etc/postgres",
            "bash docker-entrypoint.sh postgres",
            "gosu postgres postgres",
            "/usr/lib/postgresql/17/bin/postgres --boot -F",
            "postgres --single -D /x",
            "postgres: app checkpointer_log 10.0.0.1(5) idle",
            "",
        ] {
            assert!(!server(&[command]), "{command}");
        }
    }
}
