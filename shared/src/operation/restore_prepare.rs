//! Finds out what a restore would do, and what is in its way.

use super::{
    LeftoverPlan, Obstacle, PlannedDatabase, Replaced, RestorePlan, RestoreRequest, disk,
    kept::{Activity, kept, kept_name, loaded_name, unfinished_run},
    restore_part::adds,
    server::{Reached, ServerState},
};
use crate::{
    catalog::manifest::{DatabaseRecord, Manifest},
    error::{Context as _, Error, Result},
    mover::ServerSession,
    postgres::{
        DatabaseInfo, GlobalsPlan, RolePolicy, Version,
        archive::{Content, Contents},
        available_extensions, collation_of_database_exists, identifier, literal, plan_globals, server_text,
    },
};
use std::collections::BTreeSet;

/// One database that is to be restored.
pub(super) struct Chosen<'a> {
    pub record: &'a DatabaseRecord,
    pub contents: Contents,
    /// The name it will have.
    pub name: String,
    /// The name it is loaded under.
    pub loaded_as: String,
    /// The database that has its name now.
    pub replaced: Option<DatabaseInfo>,
    /// The name under which that one is kept.
    pub kept_as: String,
    /// It is there, and a part is added to it.
    pub adds: bool,
}

/// The databases of the backup that are meant: all but template1, or those of the given names.
pub(super) fn choose<'a>(
    manifest: &'a Manifest,
    request: &RestoreRequest,
) -> Result<Vec<&'a DatabaseRecord>> {
    let chosen: Vec<&DatabaseRecord> = if request.databases.is_empty() {
        manifest.databases.iter().filter(|database| database.name != "template1").collect()
    } else {
        manifest.databases.iter().filter(|database| request.databases.contains(&database.name)).collect()
    };
    let names = || manifest.databases.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) =
        request.databases.iter().find(|name| !chosen.iter().any(|database| database.name == **name))
    {
        return Err(Error::failed(format!("backup `{}` has no database named `{name}`", manifest.name))
            .caused_by(format!("it has {}", names())));
    }
    if chosen.is_empty() {
        return Err(Error::failed(format!("backup `{}` has no database but template1", manifest.name))
            .hint("restore that one by its name, with `-d template1`"));
    }
    if request.into.is_some() && chosen.len() != 1 {
        return Err(Error::new(crate::error::Kind::Usage, "`--into` needs exactly one database")
            .caused_by(format!("the backup has {}", names()))
            .hint("name the one that is meant with `-d`"));
    }
    Ok(chosen)
}

/// Gives each chosen database its names on this server.
pub(super) fn place<'a>(
    reached: &Reached<'_>,
    state: &ServerState,
    request: &RestoreRequest,
    chosen: Vec<(&'a DatabaseRecord, Contents)>,
) -> Vec<Chosen<'a>> {
    let run = reached.mover.run_id();
    chosen
        .into_iter()
        .enumerate()
        .map(|(number, (record, contents))| {
            let name = request.into.clone().unwrap_or_else(|| record.name.clone());
            let adds = adds(request, state, &name);
            let has_name = |database: &&DatabaseInfo| database.name == name && !adds;
            Chosen {
                record,
                contents,
                loaded_as: loaded_name(run, number),
                kept_as: kept_name(run, number),
                replaced: state.databases.iter().find(has_name).cloned(),
                adds,
                name,
            }
        })
        .collect()
}

/// Makes the plan. Asks the server, changes nothing.
pub(super) fn plan(
    reached: &Reached<'_>,
    session: &mut ServerSession<'_>,
    state: &ServerState,
    manifest: &Manifest,
    request: &RestoreRequest,
    chosen: &[Chosen<'_>],
    target: &str,
) -> Result<(RestorePlan, GlobalsPlan)> {
    let server = &reached.server;
    let run = reached.mover.run_id();
    let activity = Activity::read(session)?;
    // Rows alone need no roles.
    let of_rows = request.part.content == Content::DataOnly;
    let policy = if of_rows { RolePolicy::Skip } else { request.roles };
    let own = &server.endpoint.user;
    let mut globals = plan_globals(&manifest.globals, &state.globals, server.version(), policy, own)?;
    if of_rows {
        globals.remarks.clear();
    }
    let globals = globals;
    let existing: BTreeSet<&str> = state.globals.roles.iter().map(|role| role.name.as_str()).collect();
    let mut plan = RestorePlan {
        backup: manifest.name.clone(),
        target: target.to_owned(),
        server_version: server.version.clone(),
        backup_version: manifest.server.version.clone(),
        other_server: match (&server.system_identifier, &manifest.server.system_identifier) {
            (Some(here), Some(there)) => Some(here != there),
            _ => None,
        },
        databases: chosen.iter().map(|one| planned(one, request, &activity, run)).collect(),
        roles_to_create: globals.roles.clone(),
        roles_changed: globals.changed.clone(),
        roles_kept: manifest
            .globals
            .roles
            .iter()
            .filter(|role| !of_rows && existing.contains(role.name.as_str()))
            .filter(|role| !changes(&globals, &role.name))
            .map(|role| role.name.clone())
            .collect(),
        globals: globals
            .statements
            .iter()
            .filter(|statement| !statement.secret && !statement.makes_role())
            .map(|statement| statement.sql.clone())
            .collect(),
        remarks: globals.remarks.clone(),
        needed: chosen.iter().map(|one| one.record.size).sum(),
        ..RestorePlan::default()
    };
    for role in &globals.without_password {
        plan.remarks.push(format!("role `{role}` comes without its password: the backup has no hashes"));
    }
    leftovers(&mut plan, state, &activity);
    server_obstacles(&mut plan, reached, manifest);
    spelling(&mut plan, &globals, chosen);
    for one in chosen {
        database_obstacles(&mut plan, request, one, &activity, run);
        needs(&mut plan, session, server.version(), server.in_recovery, state, &globals, one)?;
    }
    disk::plan(&mut plan, reached, session)?;
    Ok((plan, globals))
}

fn changes(globals: &GlobalsPlan, role: &str) -> bool {
    globals.changed.iter().any(|text| text.starts_with(&format!("`{role}`: ")))
}

fn planned(one: &Chosen<'_>, request: &RestoreRequest, activity: &Activity, run: &str) -> PlannedDatabase {
    PlannedDatabase {
        from: one.record.name.clone(),
        name: one.name.clone(),
        size: one.record.size,
        tables: one.record.tables.len() as u64,
        rows: one.record.tables.iter().map(|table| table.rows).sum(),
        replaces: one.replaced.as_ref().map(|replaced| Replaced {
            size: replaced.size.unwrap_or_default(),
            kept_as: (!request.discard_old).then(|| one.kept_as.clone()),
            sessions: activity.sessions_in(&replaced.name, run),
        }),
    }
}

/// What interrupted restores left will be dropped; what others keep stays.
fn leftovers(plan: &mut RestorePlan, state: &ServerState, activity: &Activity) {
    for database in &state.databases {
        let Some(ours) = kept(database) else { continue };
        match unfinished_run(database) {
            None => plan.kept.push(ours),
            Some(run) if activity.is_at_work(run) => {
                plan.remarks.push(format!("another restore is at work here: it loads `{}`", ours.name));
            }
            Some(_) => plan.leftovers.push(LeftoverPlan {
                name: ours.name,
                database: ours.database,
                size: ours.size,
            }),
        }
    }
}

fn server_obstacles(plan: &mut RestorePlan, reached: &Reached<'_>, manifest: &Manifest) {
    let server = &reached.server;
    if server.in_recovery {
        plan.obstacles.push(Obstacle {
            what: "the server is a standby: it takes no changes".into(),
            hint: Some("restore into its primary".into()),
        });
    }
    if !server.superuser {
        plan.obstacles.push(Obstacle {
            what: format!("role `{}` is not a superuser", server.endpoint.user),
            hint: None,
        });
    }
    let (here, there) = (server.version(), Version(manifest.server.version_number));
    if here.major() < there.major() {
        plan.obstacles.push(Obstacle {
            what: format!(
                "the server is PostgreSQL {}, and the backup is of PostgreSQL {}: a newer server's \
                 databases do not fit into an older one",
                here.major(),
                there.major()
            ),
            hint: Some(format!("restore into PostgreSQL {} or later with `--to`", there.major())),
        });
    }
}

fn database_obstacles(
    plan: &mut RestorePlan,
    request: &RestoreRequest,
    one: &Chosen<'_>,
    activity: &Activity,
    run: &str,
) {
    let Some(replaced) = &one.replaced else { return };
    if request.into.is_some() {
        plan.obstacles.push(Obstacle {
            what: format!("there is a database named `{}` already", one.name),
            hint: Some("give a name that is free with `--into`".into()),
        });
        return;
    }
    if replaced.invalid {
        plan.obstacles.push(Obstacle {
            what: format!("database `{}` was left half dropped", one.name),
            hint: Some(format!("drop it with `DROP DATABASE {}`", identifier(&one.name))),
        });
    }
    plan.obstacles.extend(activity.in_the_way(&one.name, run, request.disconnect));
}

/// What the database needs that the server must have: locale, extensions, tablespaces, roles.
fn needs(
    plan: &mut RestorePlan,
    session: &mut ServerSession<'_>,
    version: Version,
    in_recovery: bool,
    state: &ServerState,
    globals: &GlobalsPlan,
    one: &Chosen<'_>,
) -> Result<()> {
    let record = one.record;
    let mut add = |what: String, hint: Option<String>| plan.obstacles.push(Obstacle { what, hint });
    let locale_is_there = if in_recovery || one.adds {
        None
    } else {
        collation_of_database_exists(session, version, &record.properties)?
    };
    if locale_is_there == Some(false) {
        let properties = &record.properties;
        let locale = properties.locale.as_deref().unwrap_or(&properties.collate);
        add(
            format!("the server has no locale `{locale}`, which database `{}` is made with", record.name),
            Some(
                "install it in the container, restore into the image that was backed up, or choose one that \
                 is there with `--locale`"
                    .into(),
            ),
        );
    }
    let available = available_extensions(session).context("list the extensions that can be installed")?;
    for name in record.extensions.keys().filter(|name| !available.contains_key(*name)) {
        add(
            format!("extension `{name}` of database `{}` is not installed in the container", record.name),
            Some("restore into an image that has it".into()),
        );
    }
    let spaces: BTreeSet<String> = one
        .contents
        .entries
        .iter()
        .filter_map(|entry| entry.tablespace.as_ref())
        .map(ToString::to_string)
        .chain((!one.adds).then(|| record.properties.tablespace.clone()))
        .filter(|name| !name.is_empty())
        .collect();
    for missing in globals.tablespaces.iter().filter(|space| spaces.contains(&space.name)) {
        add(
            format!("tablespace `{}` of database `{}` is not there", missing.name, record.name),
            Some(format!(
                "make its folder in the container, then `CREATE TABLESPACE {} LOCATION {}`",
                identifier(&missing.name),
                literal(&missing.location)
            )),
        );
    }
    let known = |name: &str| {
        name.is_empty()
            || name.starts_with("pg_")
            || state.globals.roles.iter().any(|role| role.name == name)
            || globals.roles.iter().any(|role| role == name)
    };
    let owners: BTreeSet<String> = one
        .contents
        .entries
        .iter()
        // Rows are loaded whoever owns their table.
        .filter(|entry| !entry.had_dumper && !entry.is("SEQUENCE SET"))
        .filter_map(|entry| entry.owner.as_ref())
        .map(ToString::to_string)
        .chain((!one.adds).then(|| record.properties.owner.clone()))
        .collect();
    let why = match globals.policy {
        RolePolicy::Skip => "is not here, and `--roles=skip` makes none",
        RolePolicy::Create | RolePolicy::Replace => "is neither in the backup nor here",
    };
    for owner in owners.iter().filter(|owner| !known(owner)) {
        add(
            format!("role `{owner}` owns something in `{}`, and {why}", record.name),
            Some(format!("make it with `CREATE ROLE {}`", identifier(owner))),
        );
    }
    Ok(())
}

/// A name that is not UTF-8 was made by a session in another encoding. Sessions of ours are in
/// UTF-8 and cannot say it, but for what is in a database: that is restored in its own encoding.
fn spelling(plan: &mut RestorePlan, globals: &GlobalsPlan, chosen: &[Chosen<'_>]) {
    let is_utf8 = |name: &str| !name.chars().any(|letter| server_text::byte_of(letter).is_some());
    let mut add = |what: String, hint: &str| plan.obstacles.push(Obstacle { what, hint: Some(hint.into()) });
    for one in chosen {
        let owner = &one.record.properties.owner;
        if !is_utf8(&one.name) {
            let what = format!("the name of database `{}` is not UTF-8", one.name);
            add(what, "restore it alone with `-d`, under another name with `--into`");
        } else if !is_utf8(owner) {
            let what =
                format!("the name of role `{owner}`, which owns database `{}`, is not UTF-8", one.name);
            add(what, "give the role another name before the backup, or load an export for another owner");
        }
    }
    for role in globals.roles.iter().filter(|role| !is_utf8(role)) {
        let what = format!("the name of role `{role}` is not UTF-8, and there is no such role here");
        add(what, "make it from a session in its own encoding");
    }
}
