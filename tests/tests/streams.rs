//! F1 and F2: exec streams that are cut, shortened, garbled or out of order, at random bytes and at
//! named points. No false success, no partial backup, no replaced database, nothing left over.

use pgbackup_tests::{
    Plugin, Proxy, Server,
    command::{docker_is_here, say},
    faults,
    proxy::{
        At, Direction, Edge, Fault, Harm,
        case::{attack, case, hurt},
        shop::Shop,
    },
    repository::assert_restic_is_content,
};
use rand::{Rng, rngs::StdRng};
use std::{thread, time::Duration};

/// Kinds of the mover's frames, as they are on the wire.
const REPLY: u8 = 3;
const BLOB: u8 = 5;
const SUMMARY: u8 = 9;
const GOODBYE: u8 = 10;

/// The stream by which the mover is placed, and that on which it speaks.
const PLACING: usize = 0;
const SERVING: usize = 1;

/// What goes between plugin and container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One stream with the mover, after one by which it is placed.
    Mover,
    /// Many streams, each of one psql or tool.
    Plain,
}

impl Way {
    /// What says so on a command line.
    fn arguments(self) -> &'static [&'static str] {
        if self == Self::Plain { &["--mover=never"] } else { &[] }
    }

    /// How many cases there are.
    fn rounds(self, with_mover: u32) -> u32 {
        faults::rounds(if self == Self::Plain { with_mover / 2 } else { with_mover })
    }

    /// A random harm. What is lost or held back costs half a minute of silence where there are no
    /// frames with numbers, and so comes in the soak only; `silence.rs` has one of each.
    fn harm(self, random: &mut StdRng) -> Harm {
        loop {
            let harm = Harm::random(random);
            let is_silent = matches!(harm, Harm::Lose(_) | Harm::Swap(_));
            if self == Self::Mover || !is_silent || faults::rounds(0) > 0 {
                return harm;
            }
        }
    }
}

/// Counts what became of the cases, for the one who runs them.
#[derive(Default)]
struct Tally {
    hit: u32,
    failed: u32,
    told: u32,
    slowest: Duration,
}

impl Tally {
    fn say(&self, what: &str, rounds: u32) {
        say(&format!(
            "{what}: {rounds} cases, {} hit, {} failed and said so ({} with the answer lost), the slowest took {:.1} s, 0 losses",
            self.hit,
            self.failed,
            self.told,
            self.slowest.as_secs_f64()
        ));
        assert!(self.hit > 0, "no case hit its stream");
    }
}

fn a_backup_is_whole_or_none(way: Way) {
    if !docker_is_here() {
        return;
    }
    let shop = Shop::open(way.arguments());
    let empty = Plugin::new();
    let first = attack(&empty, &shop.create("first"), Proxy::start());
    let (first, later) = (first.proxy.streams(), shop.traffic(&shop.create("later")));
    let (rounds, mut tally) = (way.rounds(14), Tally::default());

    for round in 0..rounds {
        let (mut random, words) = case(round);
        // Into a new repository all data go; into one that knows them their names.
        let is_first = random.random_bool(0.5);
        let new = Plugin::new();
        let (plugin, streams) = if is_first { (&new, &first) } else { (&shop.plugin, &later) };
        let harm = way.harm(&mut random);
        let fault = Fault::random(&mut random, streams, harm);
        let name = format!("case-{round}");
        let attack = hurt(plugin, &shop.create(&name), fault);

        let what = format!("case {round}, {fault:?}, {words}");
        shop.assert_only_whole_backups(plugin, &name, &attack, &what);
        tally.hit += u32::from(attack.proxy.has_hit());
        tally.failed += u32::from(attack.outcome.status != Some(0));
        tally.slowest = tally.slowest.max(attack.took);
    }

    tally.say("create", rounds);
    assert_restic_is_content(&shop.plugin);
}

#[test]
fn whatever_happens_to_its_streams_a_backup_is_whole_or_it_is_none() {
    a_backup_is_whole_or_none(Way::Mover);
}

#[test]
fn without_a_mover_whatever_happens_to_its_streams_a_backup_is_whole_or_it_is_none() {
    a_backup_is_whole_or_none(Way::Plain);
}

fn a_restore_is_whole_or_the_old_database_serves(way: Way) {
    if !docker_is_here() {
        return;
    }
    let shop = Shop::open(way.arguments());
    let streams = shop.traffic(&shop.restore());
    shop.put_back();
    let (rounds, mut tally) = (way.rounds(12), Tally::default());

    for round in 0..rounds {
        let (mut random, words) = case(round);
        let harm = way.harm(&mut random);
        let mut fault = Fault::random(&mut random, &streams, harm);
        fault.then_dead = random.random_bool(0.2);
        let attack = hurt(&shop.plugin, &shop.restore(), fault);

        let what = format!("case {round}, {fault:?}, {words}");
        tally.told += u32::from(shop.assert_one_serves(true, &attack, &what));
        tally.hit += u32::from(attack.proxy.has_hit());
        tally.failed += u32::from(attack.outcome.status != Some(0));
        tally.slowest = tally.slowest.max(attack.took);
    }

    tally.say("restore", rounds);
}

#[test]
fn whatever_happens_to_its_streams_a_restore_is_whole_or_the_old_database_serves() {
    a_restore_is_whole_or_the_old_database_serves(Way::Mover);
}

#[test]
fn without_a_mover_whatever_happens_to_its_streams_a_restore_is_whole_or_the_old_database_serves() {
    a_restore_is_whole_or_the_old_database_serves(Way::Plain);
}

fn an_undo_is_done_or_not_and_says_which(way: Way) {
    if !docker_is_here() {
        return;
    }
    let shop = Shop::open(way.arguments());
    shop.plugin.must(&shop.restore());
    let streams = shop.traffic(&shop.undo());
    shop.put_back();
    // Placing a mover changes nothing, whatever happens to it.
    let spared = if way == Way::Mover { SERVING } else { 0 };
    let (rounds, mut tally) = (way.rounds(12) / 2, Tally::default());

    for round in 0..rounds {
        shop.plugin.must(&shop.restore());
        let (mut random, words) = case(round);
        let harm = way.harm(&mut random);
        let mut fault = Fault::random(&mut random, &streams[spared..], harm);
        fault.stream += spared;
        fault.then_dead = random.random_bool(0.2);
        let attack = hurt(&shop.plugin, &shop.undo(), fault);

        let what = format!("case {round}, {fault:?}, {words}");
        tally.told += u32::from(shop.assert_one_serves(false, &attack, &what));
        tally.hit += u32::from(attack.proxy.has_hit());
        tally.failed += u32::from(attack.outcome.status != Some(0));
        tally.slowest = tally.slowest.max(attack.took);
    }

    tally.say("undo", rounds);
}

#[test]
fn whatever_happens_to_its_streams_an_undo_is_done_or_not_and_says_which() {
    an_undo_is_done_or_not_and_says_which(Way::Mover);
}

#[test]
fn without_a_mover_whatever_happens_to_its_streams_an_undo_is_done_or_not_and_says_which() {
    an_undo_is_done_or_not_and_says_which(Way::Plain);
}

#[test]
fn a_backup_whose_stream_ends_at_a_point_that_matters_is_none_or_made_without_the_mover() {
    if !docker_is_here() {
        return;
    }
    let shop = Shop::open(&[]);
    let placed = shop.traffic(&shop.create("before"))[PLACING].bytes(Direction::Into);
    let out = |at, harm| Fault::new(SERVING, Direction::Out, at, harm);
    let into = |at, harm| Fault::new(SERVING, Direction::Into, at, harm);
    let points = [
        ("before the first data", out(At::Frame(BLOB, 0, Edge::Before), Harm::End)),
        ("between the last data and the summary", out(At::Frame(SUMMARY, 0, Edge::Before), Harm::End)),
        ("between summary and goodbye", out(At::Frame(SUMMARY, 0, Edge::After), Harm::End)),
        ("between summary and goodbye", out(At::Frame(GOODBYE, 0, Edge::Before), Harm::Cut)),
        ("before the engine's goodbye", into(At::Frame(GOODBYE, 0, Edge::Before), Harm::End)),
        ("an answer that comes twice", out(At::Frame(REPLY, 3, Edge::Before), Harm::Repeat(0))),
        ("an answer that is lost", out(At::Frame(REPLY, 3, Edge::Before), Harm::Lose(0))),
        ("placing, half of it", Fault::new(PLACING, Direction::Into, At::Byte(placed / 2), Harm::Cut)),
    ];

    for (number, (point, fault)) in points.into_iter().enumerate() {
        let (plugin, name) = (Plugin::new(), format!("point-{number}"));
        let attack = hurt(&plugin, &shop.create(&name), fault);

        assert!(attack.proxy.has_hit(), "{point}: {:?}", attack.outcome);
        // Where the mover cannot be placed the server's own tools may make a whole backup.
        let without_mover = fault.stream == PLACING && attack.outcome.status == Some(0);
        assert!(without_mover || attack.outcome.status == Some(1), "{point}: {:?}", attack.outcome);
        shop.assert_only_whole_backups(&plugin, &name, &attack, point);
    }
}

#[test]
fn a_restore_whose_stream_ends_around_its_swap_tells_what_serves() {
    if !docker_is_here() {
        return;
    }
    // The swap is among the last answers before the summary; each of them is lost once, and once
    // the daemon is gone with it.
    let shop = Shop::open(&[]);
    let bytes = shop.traffic(&shop.restore())[SERVING].bytes(Direction::Out);
    shop.put_back();

    for (number, before_the_end) in [80, 120, 160, 200, 260, 320].into_iter().enumerate() {
        let at = At::Byte(bytes.saturating_sub(before_the_end));
        let mut fault = Fault::new(SERVING, Direction::Out, at, Harm::End);
        fault.then_dead = number % 3 == 2;
        let attack = hurt(&shop.plugin, &shop.restore(), fault);
        shop.assert_one_serves(true, &attack, &format!("{before_the_end} bytes before the end"));
    }
}

#[test]
fn a_restore_whose_input_ends_early_without_a_word_leaves_the_old_database_serving() {
    if !docker_is_here() {
        return;
    }
    // F2. What is sent later is taken and thrown away.
    let shop = Shop::open(&[]);
    let into = |at, harm| Fault::new(SERVING, Direction::Into, at, harm);
    let faults = [
        into(At::Frame(BLOB, 2, Edge::Before), Harm::End),
        into(At::Frame(BLOB, 1, Edge::Before), Harm::Lose(0)),
        into(At::Frame(GOODBYE, 0, Edge::Before), Harm::End),
    ];

    for fault in faults {
        let attack = hurt(&shop.plugin, &shop.restore(), fault);

        assert!(attack.proxy.has_hit(), "{fault:?}: {:?}", attack.outcome);
        // At the goodbye all is loaded, proven and swapped in.
        let is_late = fault.at == At::Frame(GOODBYE, 0, Edge::Before);
        assert_eq!(attack.outcome.status, Some(i32::from(!is_late)), "{fault:?}: {:?}", attack.outcome);
        shop.assert_one_serves(true, &attack, &format!("{fault:?}"));
    }
}

#[test]
fn a_stream_that_is_slow_costs_time_and_nothing_else() {
    if !docker_is_here() {
        return;
    }
    let shop = Shop::open(&[]);
    let streams = shop.traffic(&shop.create("before"));

    for round in 0..4 {
        let (mut random, words) = case(round);
        let fault = Fault::random(&mut random, &streams, Harm::Delay(Duration::from_millis(1500)));
        let name = format!("slow-{round}");
        let attack = hurt(&shop.plugin, &shop.create(&name), fault);

        assert_eq!(attack.outcome.status, Some(0), "{fault:?}, {words}: {:?}", attack.outcome);
        shop.assert_only_whole_backups(&shop.plugin, &name, &attack, &words);
    }
}

#[test]
fn without_a_mover_the_end_of_what_a_tool_writes_is_there_however_late_it_is_taken() {
    if !docker_is_here() {
        return;
    }
    // Docker waits for two seconds until what a program wrote before its end is taken, and drops the
    // rest of what its own buffers do not hold: between 1.2 and 1.4 MB wait for a reader here.
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE DATABASE large");
    server.sql("large", "DO $do$ BEGIN EXECUTE 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 /* ' || repeat(md5('x'), 125000) || ' */ $$'; END $do$");
    let line = |name| ["create", &server.name, "-d", "large", "--mover=never", "--name", name];
    let streams = attack(&plugin, &line("unhurt"), Proxy::start()).proxy.streams();
    let out = |number: usize| streams[number].bytes(Direction::Out);
    let tool = (0..streams.len()).max_by_key(|number| out(*number)).unwrap();
    assert!(out(tool) > 4_000_000, "{streams:?}");

    let attacks: Vec<_> = thread::scope(|scope| {
        let run = |waiting: u64| {
            let line = &line;
            let fault = Fault::new(
                tool,
                Direction::Out,
                At::Byte(out(tool) - waiting),
                Harm::Delay(Duration::from_secs(10)),
            );
            scope.spawn(move || hurt(&Plugin::new(), &line("late"), fault))
        };
        let running: Vec<_> = (0..9).map(|step| run(1_220_000 + 60_000 * step)).collect();
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });

    for attack in attacks {
        assert!(attack.proxy.has_hit());
        assert_eq!(attack.outcome.status, Some(0), "{:?}", attack.outcome);
    }
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn verify_and_export_use_no_stream_and_need_no_docker() {
    if !docker_is_here() {
        return;
    }
    // What they use is the repository: that is attacked in the repository's own tests.
    let shop = Shop::open(&[]);
    let folder = shop.plugin.home().join("out").display().to_string();

    for arguments in [vec!["verify", "good"], vec!["export", "good", &folder], vec!["list"]] {
        let attack = attack(&shop.plugin, &arguments, Proxy::start());
        assert_eq!(attack.outcome.status, Some(0), "{arguments:?}: {:?}", attack.outcome);
        assert_eq!(attack.proxy.connections(), 0, "{arguments:?}");
    }
}
