//! Parts of real archives, one of each server version (see `fixtures/small.sql`).

use super::{Contents, Settled, Wanted, part::Content, read_contents, script_parts};
use crate::postgres::relation_name::{TypedName, TypedRelation};
use std::collections::BTreeSet;

const ARCHIVES: [&[u8]; 5] = [
    include_bytes!("fixtures/13.dump"),
    include_bytes!("fixtures/15.dump"),
    include_bytes!("fixtures/16.dump"),
    include_bytes!("fixtures/17.dump"),
    include_bytes!("fixtures/18.dump"),
];

fn each_version(test: impl Fn(&Contents)) {
    for mut archive in ARCHIVES {
        test(&read_contents(&mut archive).unwrap());
    }
}

fn tables(names: &[&str]) -> Wanted {
    Wanted {
        tables: names.iter().map(|name| TypedRelation::parse(name).unwrap()).collect(),
        ..Wanted::default()
    }
}

fn schemas(names: &[&str]) -> Wanted {
    Wanted {
        schemas: names.iter().map(|name| TypedName::parse(name).unwrap()).collect(),
        ..Wanted::default()
    }
}

/// `TABLE t`, `CONSTRAINT t t_pkey` ... in the archive's order.
fn named(contents: &Contents, chosen: &BTreeSet<i32>) -> Vec<String> {
    let entries = contents.entries.iter().filter(|entry| chosen.contains(&entry.dump_id));
    entries.map(|entry| format!("{} {}", entry.desc.as_ref().unwrap(), entry.tag_text())).collect()
}

fn settle_in_nothing(contents: &Contents, wanted: &Wanted) -> Settled {
    let chosen = contents.with_surroundings(&contents.choose(wanted).unwrap());
    contents.settle(&chosen, &|entry| entry.is("SCHEMA") && entry.tag_text() == "public")
}

#[test]
fn a_table_comes_with_all_that_belongs_to_it_and_nothing_that_only_uses_it() {
    each_version(|contents| {
        let chosen = contents.choose(&tables(&["public.t"])).unwrap();
        assert_eq!(
            named(contents, &chosen),
            [
                "TABLE t",
                "COMMENT TABLE t",
                "ACL TABLE t",
                "SEQUENCE t_id_seq",
                "TABLE DATA t",
                "SEQUENCE SET t_id_seq",
                "CONSTRAINT t t_pkey",
                "TRIGGER t tr",
                "POLICY t pol",
                "ROW SECURITY t"
            ]
        );
    });
}

#[test]
fn a_partitioned_table_comes_with_its_partitions_and_their_indexes() {
    each_version(|contents| {
        let chosen = contents.choose(&tables(&["p"])).unwrap();
        let mut names = named(contents, &chosen);
        names.retain(|name| !name.starts_with("TABLE ATTACH"));
        assert_eq!(
            names,
            [
                "TABLE p",
                "TABLE p0",
                "TABLE p1",
                "TABLE DATA p0",
                "TABLE DATA p1",
                "INDEX ix",
                "INDEX p0_v_idx",
                "INDEX p1_v_idx",
                "INDEX ATTACH p0_v_idx",
                "INDEX ATTACH p1_v_idx"
            ]
        );
        assert_eq!(settle_in_nothing(contents, &tables(&["p"])).lacking, []);
    });
}

#[test]
fn what_rows_need_is_in_the_way_when_it_lacks_and_a_trigger_is_left_out() {
    each_version(|contents| {
        let settled = settle_in_nothing(contents, &tables(&["t"]));
        let lacking: Vec<_> = settled.lacking.iter().map(|it| (it.by.as_str(), it.what.as_str())).collect();
        assert_eq!(lacking, [("table `public.t`", "type `public.mood`")]);
        let left_out: Vec<_> = settled.left_out.iter().map(|it| (it.by.as_str(), it.what.as_str())).collect();
        assert_eq!(left_out, [("trigger `public.t tr`", "function `public.f()`")]);
        assert!(named(contents, &settled.chosen).contains(&"CONSTRAINT t t_pkey".to_owned()));
    });
}

#[test]
fn nothing_lacks_where_the_database_has_it() {
    each_version(|contents| {
        let chosen = contents.choose(&tables(&["t", "vw"])).unwrap();
        let settled = contents.settle(&chosen, &|_| true);
        assert_eq!((settled.lacking, settled.left_out), (vec![], vec![]));
        assert_eq!(settled.chosen, chosen);
    });
}

#[test]
fn a_quoted_name_is_found_and_its_schema_comes_with_it() {
    each_version(|contents| {
        for name in ["\"We ird\".\"T\"\"b\"", "\"T\"\"b\""] {
            let settled = settle_in_nothing(contents, &tables(&[name]));
            assert_eq!(
                named(contents, &settled.chosen),
                ["SCHEMA We ird", "TABLE T\"b", "TABLE DATA T\"b", "STATISTICS st"]
            );
        }
    });
}

#[test]
fn a_schema_is_all_that_is_in_it_without_publications() {
    each_version(|contents| {
        let chosen = contents.choose(&schemas(&["We ird"])).unwrap();
        let names = named(contents, &chosen);
        assert!(names.contains(&"SCHEMA We ird".to_owned()) && names.contains(&"SEQUENCE s'q".to_owned()));
        assert!(!names.iter().any(|name| name.ends_with(" t")), "{names:?}");
        let public = named(contents, &contents.choose(&schemas(&["public"])).unwrap());
        assert!(!public.iter().any(|name| name.starts_with("PUBLICATION")), "{public:?}");
        assert_eq!(settle_in_nothing(contents, &schemas(&["public"])).lacking.len(), 1, "the foreign server");
    });
}

#[test]
fn definitions_and_rows_can_be_had_alone() {
    each_version(|contents| {
        let of = |content| {
            let wanted = Wanted { content, ..Wanted::default() };
            named(contents, &contents.choose(&wanted).unwrap())
        };
        let is_data = |name: &String| {
            name.starts_with("TABLE DATA ") || name.starts_with("SEQUENCE SET ") || name.contains("BLOB")
        };
        assert!(!of(Content::SchemaOnly).iter().any(|name| is_data(name) || name.contains("LARGE OBJECT")));
        assert!(of(Content::SchemaOnly).contains(&"POLICY t pol".to_owned()));
        let rows = of(Content::DataOnly);
        assert!(rows.iter().all(is_data) && !rows.iter().any(|name| name.contains("BLOB")), "{rows:?}");
    });
}

#[test]
fn names_that_are_not_there_are_told_with_those_that_are() {
    each_version(|contents| {
        let error = contents.choose(&tables(&["public.nothing"])).unwrap_err();
        assert_eq!(error.what, "there is no table `public.nothing` in the backup");
        assert!(error.causes[0].contains("public.nocols"), "{error:?}");
        assert!(contents.choose(&schemas(&["nothing"])).is_err());
        let within = Wanted { schemas: schemas(&["We ird"]).schemas, ..tables(&["t"]) };
        assert!(contents.choose(&within).is_err(), "a table of another schema is found");
    });
}

#[test]
fn a_script_is_taken_apart_at_its_marks_and_nowhere_else() {
    let script = b"--\n-- PostgreSQL database dump\n--\n\\restrict wOrd\nSET x = 1;\n\
        --\n-- Name: m; Type: COMMENT; Schema: -; Owner: \n--\n\n-- m 7\n\n\n\
        --\n-- Name: t; Type: TABLE; Schema: s; Owner: o\n--\n\nCREATE TABLE t (a text DEFAULT '\n-- m x');\n\n\n\
        --\n-- Name: m; Type: COMMENT; Schema: -; Owner: \n--\n\n-- m 9\n\n\n\
        GRANT ALL ON t TO x;\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict wOrd\n\n";
    let marked = String::from_utf8(script.to_vec()).unwrap().replace("-- m ", "-- MARK ");
    let marked = marked.replace("\n-- MARK x", "\n-- m x");

    let parts = script_parts(marked.as_bytes(), "MARK").unwrap();

    assert_eq!(parts.iter().map(|part| part.dump_id).collect::<Vec<_>>(), [7, 9]);
    let text = |at: usize| String::from_utf8(parts[at].statements.clone()).unwrap();
    assert!(text(0).contains("CREATE TABLE t") && text(0).ends_with("-- m x');"), "{}", text(0));
    assert!(text(1).starts_with("GRANT ALL ON t TO x;") && !text(1).contains("unrestrict"), "{}", text(1));
}
