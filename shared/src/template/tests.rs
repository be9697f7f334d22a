//! Templates as Docker's documentation shows them, and what Go says of wrong ones.

use super::{Missing, Outside, Row, Template, Value};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// What steers a terminal, written out; enough for these tests.
fn safe(text: &str) -> Cow<'_, str> {
    text.replace('\n', "\\n").replace('\u{1b}', "\\x1b").into()
}

const OUTSIDE: Outside = Outside { text: safe, json: |text| Cow::Borrowed(text) };

fn rendered(template: &str, data: &Json) -> Result<String, String> {
    Template::parse(template)
        .and_then(|template| template.render(&Value::of(data), OUTSIDE, Missing::NoValue))
        .map_err(|error| error.what.strip_prefix("template parsing error: ").unwrap_or_default().to_owned())
}

fn data() -> Json {
    json!({
        "Name": "pre_test",
        "Id": "ab12cd34ab12",
        "Ports": ["80/tcp", "443/tcp"],
        "Labels": {"tier": "data", "app.name": "shop"},
        "State": {"Running": true, "Pid": 42, "Share": -3.25},
        "total_bytes": 1400,
        "Nothing": null,
        "Empty": [],
    })
}

#[track_caller]
fn all_give(pairs: &[(&str, &str)]) {
    for (template, expected) in pairs {
        assert_eq!(rendered(template, &data()).as_deref(), Ok(*expected), "{template}");
    }
}

#[test]
fn fields_variables_and_text_are_written() {
    all_give(&[
        ("{{.Name}}: {{.State.Pid}}", "pre_test: 42"),
        ("{{$.Name}} {{$n := .Name}}{{$n}}", "pre_test pre_test"),
        ("{{.Ports}} {{.Labels}}", "[80/tcp 443/tcp] map[app.name:shop tier:data]"),
        ("{{.State.Running}} {{.State.Share}} {{-3.5}}", "true -3.25 -3.5"),
        ("{{.Nothing}} {{.NotThere}} {{.Labels.no}}", "<no value> <no value> <no value>"),
        ("a {{- .Name -}} b", "apre_testb"),
        ("a {{/* said */}}b{{- /* and */ -}} c", "a bc"),
        ("{{\"a\\tb\\u00e9\"}} {{`raw\\n`}} {{'a'}} {{0x1f}} {{1_000}}", "a\tbé raw\\n 97 31 1000"),
        ("{{ (index .Labels \"app.name\") }} {{(.State).Pid}}", "shop 42"),
        ("{{.TotalBytes}}", "1400"),
        ("", ""),
    ]);
}

#[test]
fn dockers_own_functions_do_what_its_documentation_says() {
    all_give(&[
        ("{{json .Ports}}", "[\"80/tcp\",\"443/tcp\"]"),
        ("{{join .Ports \" or \"}}", "80/tcp or 443/tcp"),
        ("{{range split .Name \"_\"}}<{{.}}>{{end}}", "<pre><test>"),
        ("{{lower \"ABC\"}} {{upper .Name}} {{title \"one two\"}}", "abc PRE_TEST One Two"),
        ("{{.Name | upper | lower}}", "pre_test"),
        ("[{{pad .Name 1 2}}] [{{pad \"\" 1 2}}]", "[ pre_test  ] []"),
        ("{{truncate .Id 4}} {{truncate .Id 99}} {{truncate \"äöü\" 2}}", "ab12 ab12cd34ab12 äö"),
        ("{{println .Name 1}}", "pre_test 1\n"),
        ("{{print .Name 1 2 \"x\"}}", "pre_test1 2x"),
        ("{{len .Ports}} {{len .Name}} {{index .Ports 1}} {{slice .Id 0 2}}", "2 8 443/tcp ab"),
        (
            "{{printf \"%-6s|%5d|%.1f|%q|%t|%v%%\" \"ab\" 42 2.25 \"x\" true .Ports}}",
            "ab    |   42|2.2|\"x\"|true|[80/tcp 443/tcp]%",
        ),
        ("{{printf \"%d %s\" \"a\"}} {{printf \"x\" 1}}", "%!d(string=a) %!s(MISSING) x%!(EXTRA int=1)"),
        ("{{printf \"%05d %x %+d %e\" -42 255 1 1500.0}}", "-0042 ff +1 1.500000e+03"),
    ]);
}

#[test]
fn conditions_and_loops_go_the_way_that_go_goes() {
    all_give(&[
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .Empty}}a{{else if eq .Name \"pre_test\"}}b{{else}}c{{end}}", "b"),
        ("{{with .State}}{{.Pid}} {{$.Name}}{{end}}", "42 pre_test"),
        ("{{with .Nothing}}a{{else with .Name}}{{.}}{{end}}", "pre_test"),
        ("{{range .Ports}}{{.}};{{end}}", "80/tcp;443/tcp;"),
        ("{{range $i, $p := .Ports}}{{$i}}={{$p}} {{end}}", "0=80/tcp 1=443/tcp "),
        ("{{range $key, $value := .Labels}}{{$key}}={{$value}} {{end}}", "app.name=shop tier=data "),
        ("{{range .Empty}}a{{else}}none{{end}}", "none"),
        ("{{range .Ports}}{{break}}{{end}}{{range .Ports}}{{continue}}x{{end}}", ""),
        ("{{$all := \"\"}}{{range .Ports}}{{$all = print $all .}}{{end}}{{$all}}", "80/tcp443/tcp"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
    ]);
}

#[test]
fn comparisons_take_numbers_strings_and_truths() {
    all_give(&[
        ("{{eq .Name \"a\" \"pre_test\"}} {{ne 1 2}}", "true true"),
        ("{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1 2}} {{lt 1.5 2}}", "true true true false true"),
        ("{{and .Name .Empty}} {{or .Empty .Name}} {{not .Empty}}", "[] pre_test true"),
        ("{{and (gt .State.Pid 1) (lt .State.Pid 100)}}", "true"),
        ("{{or true (index .Ports 99)}}", "true"),
        ("{{eq .Nothing .NotThere}}", "true"),
    ]);
}

#[test]
fn a_template_that_cannot_be_read_is_told_in_gos_words() {
    for (template, expected) in [
        ("{{.Name", "template: :1: unclosed action"),
        ("a\n{{.Name", "template: :2: unclosed action"),
        ("{{foo .Name}}", "template: :1: function \"foo\" not defined"),
        ("{{if .Name}}", "template: :1: unexpected EOF"),
        ("{{if}}a{{end}}", "template: :1: missing value for if"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{.Name | }}", "template: :1: missing value for command"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{else}}", "template: :1: unexpected {{else}}"),
        ("{{if 1}}{{else}}{{else}}{{end}}", "template: :1: expected end; found {{else}}"),
        ("{{$x}}", "template: :1: undefined variable \"$x\""),
        ("{{$x = 1}}", "template: :1: undefined variable \"$x\""),
        ("{{\"a}}", "template: :1: unterminated quoted string"),
        ("{{(.Name}}", "template: :1: unclosed left paren"),
        ("{{.Name)}}", "template: :1: unexpected right paren"),
        ("{{#}}", "template: :1: unexpected \"#\" in command"),
        ("{{1x}}", "template: :1: bad number syntax: \"1x\""),
        ("{{/* a", "template: :1: unclosed comment"),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{.Name | 1}}", "template: :1: non executable command in pipeline stage 2"),
        ("{{define \"a\"}}{{end}}", "template: :1: {{define}} is not supported here"),
    ] {
        assert_eq!(rendered(template, &data()).unwrap_err(), expected, "{template}");
    }
}

#[test]
fn a_template_that_asks_for_what_is_not_there_says_where() {
    for (template, expected) in [
        ("{{.Name.First}}", ":7: <.Name.First>: can't evaluate field First in type string"),
        ("{{.State.Pid.X}}", ":8: <.State.Pid.X>: can't evaluate field X in type int"),
        ("{{upper 1}}", ":8: <1>: expected string; found 1"),
        ("{{upper}}", ":2: <upper>: wrong number of args for upper: want 1 got 0"),
        ("{{and}}", ":2: <and>: wrong number of args for and: want at least 1 got 0"),
        ("{{join .Name \",\"}}", ":7: <.Name>: wrong type for value; expected []string; got string"),
        ("{{.State.Pid | upper}}", ":15: <upper>: wrong type for value; expected string; got int"),
        ("{{index .Ports 9}}", ":2: <index .Ports 9>: error calling index: index out of range: 9"),
        ("{{slice \"abc\" 1 9}}", ":2: <slice \"abc\" 1 9>: error calling slice: index out of range: 9"),
        ("{{pad \"x\" -1 0}}", ":2: <pad \"x\" -1 0>: error calling pad: strings: negative Repeat count"),
        ("{{len 3}}", ":2: <len 3>: error calling len: len of type int"),
        ("{{eq 1 \"a\"}}", ":2: <eq 1 \"a\">: error calling eq: incompatible types for comparison"),
        ("{{range .Name}}{{end}}", ":8: <.Name>: range can't iterate over pre_test"),
        ("{{.Name 1}}", ":2: <.Name>: Name has arguments but cannot be invoked as function"),
        ("{{nil}}", ":2: <nil>: nil is not a command"),
    ] {
        let (column, what) = expected.split_once(": ").unwrap();
        let expected = format!("template: :1{column}: executing \"\" at {what}");
        assert_eq!(rendered(template, &data()).unwrap_err(), expected, "{template}");
    }
    let error = rendered("a\nb{{len 3}}", &data()).unwrap_err();
    assert!(error.starts_with("template: :2:3: executing \"\" at <len 3>"), "{error}");
}

#[test]
fn a_key_that_is_not_there_is_an_error_where_that_is_wanted() {
    let template = Template::parse("{{.NotThere}}").unwrap();
    let error = template.render(&Value::of(&data()), OUTSIDE, Missing::Error).unwrap_err();
    assert_eq!(
        error.what,
        "template parsing error: template: :1:2: executing \"\" at <.NotThere>: map has no entry for key \"NotThere\""
    );
}

#[test]
fn a_row_shows_its_own_fields_first_and_is_json_as_a_whole() {
    let row =
        Row { shown: vec![("Size", "1.4 kB".into())], whole: json!({"size": 1400, "total_bytes": 1400}) };
    let given = |template: &str| {
        Template::parse(template).unwrap().render(&Value::Row(&row), OUTSIDE, Missing::NoValue)
    };
    assert_eq!(given("{{.Size}} {{.size}} {{.TotalBytes}}").unwrap(), "1.4 kB 1400 1400");
    assert_eq!(given("{{json .}}").unwrap(), "{\"size\":1400,\"total_bytes\":1400}");
    let error = given("{{.Sise}}").unwrap_err();
    assert!(error.what.ends_with("at <.Sise>: can't evaluate field Sise in type map"), "{error}");
}

#[test]
fn strings_of_the_data_cannot_steer_a_terminal_and_the_templates_own_can() {
    let data = json!({"name": "a\nb\u{1b}", "list": ["x\ny"]});
    for (template, expected) in [
        ("{{.name}}\n", "a\\nb\\x1b\n"),
        ("{{upper .name}}", "A\\NB\\X1B"),
        ("{{join .list \"\\n\"}}", "x\\ny"),
        ("{{println .list}}", "[x\\ny]\n"),
        ("{{printf \"%s\\n\" .name}}", "a\\nb\\x1b\n"),
        ("{{index (slice .list 0 1) 0}}", "x\\ny"),
        ("{{json .name}}", "\"a\\nb\\u001b\""),
    ] {
        assert_eq!(rendered(template, &data).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn headers_pass_through_functions_as_they_are() {
    let headers = json!({"Name": "NAME", "Size": "SIZE"});
    let template = Template::parse("{{upper .Name}}\t{{json .Size}}\t{{truncate .Name 1}}").unwrap();
    assert_eq!(template.render_headers(&Value::of(&headers), OUTSIDE).unwrap(), "NAME\tSIZE\tNAME");
}

#[test]
fn nothing_that_is_typed_makes_it_panic_or_run_away() {
    let deep = |opening: &str, closing: &str| format!("{}1{}", opening.repeat(5_000), closing.repeat(5_000));
    for template in [
        format!("{{{{{}}}}}", deep("(", ")")),
        deep("{{if 1}}", "{{end}}"),
        "{{pad \"x\" 999999999 0}}".into(),
        "{{printf \"%9999999999d\" 1}}".into(),
        "{{printf \"%.99999999f\" 1.0}}".into(),
        "{{slice \"ä\" 1}}".into(),
        "{{-".into(),
        "{{- ".into(),
        "{{'ä}}".into(),
        "{{.9}}{{.}}{{$}}{{..}}".into(),
        "{{.ä.ö}}{{9223372036854775808}}".into(),
    ] {
        let _ = rendered(&template, &data());
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_rendered_or_refused(template in "[{}\\-a.$ |()\"`'/*=:,0-9ä\n]{0,40}") {
        let _ = rendered(&template, &data());
    }
}
