//! F3 and streams on which nothing moves any more: work that is silent for long goes through a
//! proxy that cuts idle streams, and a stream that is held back for ever is given up in time.

use pgbackup_tests::{
    Plugin, Proxy,
    client::Session,
    command::{docker_is_here, wait_for},
    faults,
    proxy::{
        At, Direction, Edge, Fault, Harm,
        case::{attack, hurt},
        shop::Shop,
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Kinds of the mover's frames, as they are on the wire.
const BLOB: u8 = 5;
const HEARTBEAT: u8 = 8;
const SUMMARY: u8 = 9;

const PLACING: usize = 0;
const SERVING: usize = 1;

/// What proxies on the way allow a stream to be idle.
const IDLE: Duration = Duration::from_secs(15);

/// A minute in `just soak`; in the test command long enough to be cut without heartbeats.
fn silent_seconds() -> u32 {
    if faults::rounds(0) > 0 { 60 } else { 22 }
}

#[test]
fn a_wait_for_a_lock_goes_through_a_proxy_that_cuts_idle_streams() {
    if !docker_is_here() {
        return;
    }
    let shop = Shop::open(&[]);
    let mut holder = Session::open(&shop.server, "shop");
    holder.run("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    let begun = Instant::now();
    let silent = Duration::from_secs(silent_seconds().into());

    let attack = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut line = shop.create("patient");
            line.extend(["--lock-timeout", "10m"]);
            attack(&shop.plugin, &line, Proxy::cutting_idle_streams(IDLE))
        });
        wait_for("waiting backup", || {
            let waiting = shop.server.sql("postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted");
            (waiting.trim() != "0").then_some(())
        });
        holder.run(&format!("SELECT pg_sleep({})", silent.as_secs()));
        holder.run("COMMIT");
        waiting.join().unwrap()
    });

    assert!(begun.elapsed() >= silent);
    assert_eq!(attack.outcome.status, Some(0), "{:?}", attack.outcome);
    shop.assert_only_whole_backups(&shop.plugin, "patient", &attack, "lock wait");
}

/// A shop whose backup `slow` takes so many seconds to check one row, and as many to build one index.
fn slow_shop(way: &[&str], seconds: u32) -> Shop {
    let shop = Shop::open(way);
    shop.server.sql(
        "shop",
        &format!(
            "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF current_database() <> 'shop' THEN PERFORM pg_sleep({seconds}); END IF; RETURN $1; END $$;
             CREATE TABLE few AS SELECT 1 AS i; CREATE INDEX ON few (slow(i)); CREATE TABLE checked (i int CHECK (slow(i) > 0)); INSERT INTO checked VALUES (1)",
        ),
    );
    shop.plugin.must(&shop.create("slow"));
    shop
}

#[test]
fn a_long_index_build_goes_through_a_proxy_that_cuts_idle_streams() {
    if !docker_is_here() {
        return;
    }
    let shop = slow_shop(&[], silent_seconds());
    let begun = Instant::now();

    let line = ["restore", "slow", "-d", "shop", "--into", "copy", "--yes"];
    let attack = attack(&shop.plugin, &line, Proxy::cutting_idle_streams(IDLE));

    assert!(begun.elapsed() >= Duration::from_secs(silent_seconds().into()));
    assert_eq!(attack.outcome.status, Some(0), "{:?}", attack.outcome);
    shop.assert_nothing_is_left("index build");
    assert_eq!(shop.server.sql("copy", "SELECT count(*) FROM few").trim(), "1");
}

#[test]
fn without_a_mover_the_server_may_work_in_silence_for_as_long_as_it_likes() {
    if !docker_is_here() {
        return;
    }
    // Longer than it takes to give up a stream on which nothing moves and nobody works.
    let seconds = 34.max(silent_seconds());
    let shop = slow_shop(&["--mover=never"], seconds);
    let begun = Instant::now();

    let line = ["restore", "slow", "-d", "shop", "--into", "copy", "--yes", "--mover=never"];
    shop.plugin.must(&line);

    assert!(begun.elapsed() >= 2 * Duration::from_secs(seconds.into()));
    shop.assert_nothing_is_left("silent work");
    assert_eq!(shop.server.sql("copy", "SELECT count(*) FROM few, checked").trim(), "1");
}

#[test]
fn without_a_mover_a_proxy_that_cuts_idle_streams_fails_a_long_index_build_and_nothing_is_made() {
    if !docker_is_here() {
        return;
    }
    let shop = slow_shop(&["--mover=never"], IDLE.as_secs() as u32 + 5);

    let line = ["restore", "slow", "-d", "shop", "--into", "copy", "--yes", "--mover=never"];
    let attack = attack(&shop.plugin, &line, Proxy::cutting_idle_streams(IDLE));

    assert_eq!(attack.outcome.status, Some(1), "{:?}", attack.outcome);
    attack.assert_the_stage_is_named(&shop.server.name, "idle");
    assert!(!shop.server.all_databases().contains(&"copy".to_owned()));
    shop.assert_nothing_is_left("idle");
}

/// Faults after which nothing moves any more; the first one needs a backup that takes a while.
fn stalls() -> Vec<Fault> {
    let out = |at, both| Fault::new(SERVING, Direction::Out, at, Harm::Stall { both });
    let into = |at, both| Fault::new(SERVING, Direction::Into, at, Harm::Stall { both });
    vec![
        out(At::Frame(HEARTBEAT, 0, Edge::Before), false),
        out(At::Frame(BLOB, 1, Edge::Before), true),
        out(At::Frame(SUMMARY, 0, Edge::Before), true),
        out(At::Frame(SUMMARY, 0, Edge::After), false),
        into(At::Byte(500), false),
        Fault::new(PLACING, Direction::Into, At::Byte(700_000), Harm::Stall { both: true }),
    ]
}

#[test]
fn a_backup_whose_stream_is_held_back_for_ever_fails_or_does_without_the_mover_within_two_minutes() {
    if !docker_is_here() {
        return;
    }
    // Every case waits for half a minute or a minute, so all wait at once. A lock holds the
    // backups back until the first heartbeat.
    let shop = Shop::open(&[]);
    let mut holder = Session::open(&shop.server, "shop");
    holder.run("BEGIN; LOCK TABLE since IN ACCESS EXCLUSIVE MODE");
    let proxies: Vec<_> =
        stalls().into_iter().map(|fault| (fault, Arc::new(Proxy::hurting(fault)))).collect();

    let attacks: Vec<_> = std::thread::scope(|scope| {
        let run = |(fault, proxy): &(Fault, Arc<Proxy>)| {
            let (shop, fault, proxy) = (&shop, *fault, Arc::clone(proxy));
            scope.spawn(move || {
                let plugin = Plugin::new();
                let mut line = shop.create("held");
                line.extend(["--lock-timeout", "10m"]);
                let attack = attack(&plugin, &line, proxy);
                (plugin, attack, fault)
            })
        };
        let running: Vec<_> = proxies.iter().map(run).collect();
        wait_for("heartbeat", || proxies[0].1.has_hit().then_some(()));
        holder.run("COMMIT");
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });

    drop(proxies);
    for (_, attack, fault) in &attacks {
        assert!(attack.proxy.has_hit(), "{fault:?}: {:?}", attack.outcome);
        // Where the mover cannot be placed the server's own tools may make a whole backup.
        let without_mover = fault.stream == PLACING && attack.outcome.status == Some(0);
        assert!(without_mover || attack.outcome.status == Some(1), "{fault:?}: {:?}", attack.outcome);
        assert!(attack.took < Duration::from_mins(2), "{fault:?} took {:?}", attack.took);
    }
    // Only a shell that places cannot tell by itself that nobody is there any more.
    let attacks: Vec<_> = attacks
        .into_iter()
        .map(|(plugin, attack, fault)| {
            let attack = if fault.stream == PLACING { attack.let_go() } else { attack };
            (plugin, attack, fault)
        })
        .collect();
    for (plugin, attack, fault) in attacks {
        shop.assert_only_whole_backups(&plugin, "held", &attack, &format!("{fault:?}"));
    }
}

#[test]
fn a_restore_that_nobody_takes_data_from_fails_in_time_and_the_mover_is_gone() {
    if !docker_is_here() {
        return;
    }
    // More is to be sent than all buffers on the way take, so both sides are blocked in a write.
    let shop = Shop::open(&[]);
    let into =
        Fault::new(SERVING, Direction::Into, At::Frame(BLOB, 2, Edge::Before), Harm::Stall { both: true });

    let attack = hurt(&shop.plugin, &shop.restore(), into);

    assert!(attack.proxy.has_hit(), "{:?}", attack.outcome);
    assert_eq!(attack.outcome.status, Some(1), "{:?}", attack.outcome);
    assert!(attack.took < Duration::from_mins(2), "it took {:?}", attack.took);
    shop.assert_one_serves(true, &attack, "restore");
}

/// Faults of a run without a mover after which nothing moves any more on one of its streams.
fn stalls_without_a_mover(shop: &Shop) -> Vec<(&'static str, Fault)> {
    let unhurt = attack(&Plugin::new(), &shop.create("unhurt"), Proxy::start());
    assert_eq!(unhurt.outcome.status, Some(0), "{:?}", unhurt.outcome);
    let streams = unhurt.proxy.streams();
    let out = |number: usize| streams[number].bytes(Direction::Out);
    let numbers = || 1..streams.len();
    let rows = numbers().max_by_key(|number| out(*number)).unwrap();
    // A tool is given nothing to read here.
    let tool = numbers().find(|number| streams[*number].bytes(Direction::Into) == 0).unwrap();
    let stall =
        |number, direction, byte, both| Fault::new(number, direction, At::Byte(byte), Harm::Stall { both });
    let lose = Fault::new(1, Direction::Out, At::Byte(out(1) - 10), Harm::Lose(0));
    vec![
        ("what a shell sees", stall(0, Direction::Out, 10, true)),
        ("rows", stall(rows, Direction::Out, out(rows) / 2, false)),
        ("statements", stall(1, Direction::Into, 1500, false)),
        ("what a tool writes", stall(tool, Direction::Out, out(tool) / 2, true)),
        ("an answer that is lost", lose),
    ]
}

#[test]
fn without_a_mover_a_backup_whose_stream_is_held_back_for_ever_fails_within_two_minutes() {
    if !docker_is_here() {
        return;
    }
    // All at once, because each waits for half a minute or more.
    let shop = Shop::open(&["--mover=never"]);
    let stalls = stalls_without_a_mover(&shop);

    let attacks: Vec<_> = std::thread::scope(|scope| {
        let run = |(what, fault): &(&'static str, Fault)| {
            let (shop, what, fault) = (&shop, *what, *fault);
            scope.spawn(move || {
                let plugin = Plugin::new();
                let attack = hurt(&plugin, &shop.create("held"), fault);
                (plugin, attack, format!("{what}, {fault:?}"))
            })
        };
        let running: Vec<_> = stalls.iter().map(run).collect();
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });

    for (_, attack, case) in &attacks {
        assert!(attack.proxy.has_hit(), "{case}: {:?}", attack.outcome);
        assert_eq!(attack.outcome.status, Some(1), "{case}: {:?}", attack.outcome);
        assert!(attack.took < Duration::from_mins(2), "{case} took {:?}", attack.took);
    }
    // Only then can a shell tell that nobody is there any more.
    let attacks: Vec<_> =
        attacks.into_iter().map(|(plugin, attack, case)| (plugin, attack.let_go(), case)).collect();
    for (plugin, attack, case) in attacks {
        shop.assert_only_whole_backups(&plugin, "held", &attack, &case);
    }
}
