//! Builds the mover for this machine's architecture as one static program, or takes movers
//! from the folder that PGBACKUP_MOVER_DIR names, and embeds them in the engine.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=PGBACKUP_MOVER_DIR");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let movers = match env::var_os("PGBACKUP_MOVER_DIR") {
        Some(folder) => from_folder(Path::new(&folder))?,
        None => build(&out)?.into_iter().collect(),
    };
    let mut source = String::from("/// Name of the machine, and the program for it.\n");
    source += "static EMBEDDED: &[(&str, &[u8])] = &[\n";
    for (machine, path) in movers {
        writeln!(source, "    ({machine:?}, include_bytes!({:?})),", path.display().to_string())?;
    }
    source += "];\n";
    fs::write(out.join("embedded.rs"), source)?;
    Ok(())
}

/// Movers that were built elsewhere: `pgbackup-mover-<machine>`.
fn from_folder(folder: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut movers = Vec::new();
    for machine in MACHINES {
        let path = folder.join(format!("pgbackup-mover-{machine}"));
        if path.is_file() {
            movers.push((machine.to_owned(), fs::canonicalize(&path)?));
        }
    }
    if movers.is_empty() {
        return Err(
            format!("PGBACKUP_MOVER_DIR={} holds no pgbackup-mover-<machine>", folder.display()).into()
        );
    }
    Ok(movers)
}

/// The mover for this machine. None where it is no Linux machine, or the engine is built for
/// another architecture: such an engine says so when it is asked for a mover.
fn build(out: &Path) -> Result<Option<(String, PathBuf)>, Box<dyn Error>> {
    let host = env::var("HOST")?;
    let machine = env::var("CARGO_CFG_TARGET_ARCH")?;
    if !host.contains("-linux-") || !host.starts_with(&machine) || !MACHINES.contains(&machine.as_str()) {
        println!("cargo::warning=no mover is embedded: set PGBACKUP_MOVER_DIR to a folder that holds them");
        return Ok(None);
    }
    let engine = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    for watched in
        ["mover/src", "mover/Cargo.toml", "wire/src", "wire/Cargo.toml", "../Cargo.toml", "../Cargo.lock"]
    {
        println!("cargo::rerun-if-changed={}", engine.join(watched).display());
    }
    let triple = format!("{machine}-unknown-linux-gnu");
    let folder = out.join("mover-target");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(engine.join("mover"));
    cargo.args([
        "build",
        "--locked",
        "--profile",
        "mover",
        "--package",
        "pgbackup-mover",
        "--target",
        &triple,
    ]);
    cargo.arg("--target-dir").arg(&folder);
    // What was set for the engine's build (flags, wrappers such as clippy's) is not the mover's.
    for (name, _) in env::vars() {
        let cargos = ["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_TARGET_"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if cargos
            || ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"]
                .contains(&name.as_str())
        {
            cargo.env_remove(name);
        }
    }
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    let output = cargo.output()?;
    if !output.status.success() {
        return Err(format!("the mover was not built\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Some((machine, folder.join(triple).join("mover/pgbackup-mover"))))
}
