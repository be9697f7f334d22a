//! An undo: what it would swap or drop, and what it did.

use super::{
    paragraph::Paragraphs,
    table::Table,
    text::{harmless, plural},
    units::{since, size},
};
use crate::operation::{UndoOutcome, UndoPlan};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write;

/// Returns an undo's plan: what is swapped, what is dropped, and what is in the way;
/// ages are counted back from `now`.
pub fn undo_plan(plan: &UndoPlan, now: Timestamp) -> String {
    let mut text = Paragraphs::new(format!("Undo in `{}`", harmless(&plan.target)));
    if !plan.swaps.is_empty() {
        let mut table = Table::new(&["database", "comes back from", "size", "what is there now"]);
        for swap in &plan.swaps {
            let now = swap.current_kept_as.as_ref().map_or_else(
                || "nothing".to_owned(),
                |name| match swap.sessions {
                    0 => format!("kept as {name}"),
                    count => format!("kept as {name}, {} connected", plural(count, "session")),
                },
            );
            table.row([swap.name.clone(), swap.kept.name.clone(), size(swap.kept.size), now]);
        }
        text.block(&table.to_string());
    }
    if !plan.drops.is_empty() {
        let mut table = Table::new(&["dropped", "size", "what it is", "since"]);
        for drop in &plan.drops {
            let kept = &drop.kept;
            let what = if kept.unfinished {
                format!("{}, left by an interrupted restore of {}", kept.database, kept.backup)
            } else if kept.by_restore {
                format!("{}, replaced by a restore of {}", kept.database, kept.backup)
            } else {
                format!("{}, put aside by an undo", kept.database)
            };
            table.row([kept.name.clone(), size(kept.size), what, since(&kept.time, now)]);
        }
        text.block(&table.to_string());
    }
    text.list("In the way", plan.obstacles.iter().map(|obstacle| obstacle.what.clone()));
    text.into_text()
}

/// Returns what an undo did.
pub fn undone(outcome: &UndoOutcome) -> String {
    let mut text = String::new();
    for (name, kept_as) in &outcome.swapped {
        let kept = match kept_as {
            Some(kept) => format!("; what was there is kept as `{}`", harmless(kept)),
            None => String::new(),
        };
        let _ = writeln!(text, "{}: back{kept}", harmless(name));
    }
    for name in &outcome.dropped {
        let _ = writeln!(text, "{}: dropped", harmless(name));
    }
    if !outcome.dropped.is_empty() {
        let _ = writeln!(text, "{} freed", size(outcome.freed));
    }
    text
}

/// Returns the same for programs.
pub fn undone_json(outcome: &UndoOutcome) -> Value {
    let swapped = outcome.swapped.iter().map(|(name, kept_as)| json!({"name": name, "kept_as": kept_as}));
    json!({
        "swapped": swapped.collect::<Vec<_>>(),
        "dropped": outcome.dropped,
        "freed_bytes": outcome.freed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{DiscardPlan, KeptDatabase, SwapPlan};

    fn kept(unfinished: bool) -> KeptDatabase {
        KeptDatabase {
            name: "shop_kept_1".into(),
            database: "shop".into(),
            size: 14_000_000,
            time: "2026-11-21T10:00:00Z".into(),
            backup: "pre_test".into(),
            by_restore: true,
            unfinished,
        }
    }

    #[test]
    fn a_plan_shows_swaps_and_drops() {
        let plan = UndoPlan {
            target: "pg".into(),
            swaps: vec![SwapPlan {
                name: "shop".into(),
                kept: kept(false),
                current_kept_as: Some("shop_kept_2".into()),
                sessions: 0,
            }],
            drops: vec![DiscardPlan { kept: kept(true) }],
            obstacles: Vec::new(),
        };
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        insta::assert_snapshot!(undo_plan(&plan, now), @r"
        Undo in `pg`

        DATABASE   COMES BACK FROM   SIZE      WHAT IS THERE NOW
        shop       shop_kept_1       14 MB     kept as shop_kept_2

        DROPPED       SIZE      WHAT IT IS                                         SINCE
        shop_kept_1   14 MB     shop, left by an interrupted restore of pre_test   2 hours ago
        ");
    }

    #[test]
    fn an_undo_says_what_is_back_and_what_was_freed() {
        let outcome = UndoOutcome {
            swapped: vec![("shop".into(), Some("shop_kept_2".into()))],
            dropped: vec!["blog_kept_1".into()],
            freed: 14_000_000,
        };
        assert_eq!(
            undone(&outcome),
            "shop: back; what was there is kept as `shop_kept_2`\nblog_kept_1: dropped\n14 MB freed\n"
        );
    }
}
