//! Random programs: none panics, hangs or overflows, and those that jaq evaluates too give the same.

use std::cell::Cell;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::*;

/// Programs of a grammar that holds every kind of term; most of them make some sense.
fn programs() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(".".to_owned()),
        Just(".a".to_owned()),
        Just(".[0]".to_owned()),
        Just(".[]?".to_owned()),
        Just("..".to_owned()),
        Just("1".to_owned()),
        Just("-2.5".to_owned()),
        Just("\"ab\"".to_owned()),
        Just("null".to_owned()),
        Just("[1, 2, [3]]".to_owned()),
        Just("{a: 1, b: [2]}".to_owned()),
        Just("repeat(.)".to_owned()),
        Just("range(1000000000)".to_owned()),
        Just("recurse(.[0], .[0])".to_owned()),
        Just("empty".to_owned()),
        Just("error".to_owned()),
        Just("$v".to_owned()),
        Just("break $l".to_owned()),
    ];
    leaf.prop_recursive(6, 40, 3, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner);
        prop_oneof![
            (
                two.clone(),
                prop::sample::select(
                    &["|", ",", "+", "-", "*", "/", "%", "//", "==", "<", "and", "or", "=", "|=", "+=", "//="][..]
                )
            )
                .prop_map(|((left, right), op)| format!("({left}) {op} ({right})")),
            (
                one.clone(),
                prop::sample::select(
                    &[
                        "length",
                        "keys",
                        "add",
                        "sort",
                        "unique",
                        "reverse",
                        "flatten",
                        "tojson",
                        "tostring",
                        "fromjson",
                        "type",
                        "to_entries",
                        "from_entries",
                        "min",
                        "max",
                        "transpose",
                        "paths",
                        "explode",
                        "implode",
                        "@csv",
                        "@sh",
                        "any",
                        "all",
                        "not",
                        "first",
                        "last",
                        "ascii_downcase",
                        "tonumber",
                        "floor",
                        "utf8bytelength",
                    ][..]
                )
            )
                .prop_map(|(of, function)| format!("({of}) | {function}")),
            (
                one.clone(),
                prop::sample::select(
                    &[
                        "map",
                        "select",
                        "with_entries",
                        "sort_by",
                        "group_by",
                        "unique_by",
                        "min_by",
                        "map_values",
                        "del",
                        "path",
                        "first",
                        "last",
                        "recurse",
                        "isempty",
                        "any",
                        "all",
                        "add",
                        "getpath",
                        "has",
                        "contains",
                        "split",
                        "join",
                        "test",
                        "indices",
                        "ltrimstr",
                        "delpaths",
                        "paths",
                        "repeat",
                        "error",
                        "in",
                        "inside",
                        "scan",
                        "nth",
                        "flatten",
                    ][..]
                )
            )
                .prop_map(|(of, function)| format!("{function}({of})")),
            (
                two.clone(),
                prop::sample::select(
                    &["limit", "until", "while", "range", "setpath", "any", "all", "nth", "gsub", "recurse"][..]
                )
            )
                .prop_map(|((left, right), function)| format!("{function}({left}; {right})")),
            two.clone().prop_map(|(left, right)| format!("({left}) as $v | {right}")),
            two.clone().prop_map(|(left, right)| format!("({left}) as [$v, {{a: $w}}] | {right}")),
            two.clone().prop_map(|(left, right)| format!("reduce ({left}) as $v (.; {right})")),
            two.clone().prop_map(|(left, right)| format!("foreach ({left}) as $v (.; {right}; [$v, .])")),
            two.clone().prop_map(|(left, right)| format!("try ({left}) catch ({right})")),
            two.prop_map(|(left, right)| format!("if {left} then {right} else . end")),
            one.clone().prop_map(|of| format!("label $l | {of}")),
            one.clone().prop_map(|of| format!("[{of}]")),
            one.clone().prop_map(|of| format!("{{a: ({of})}}")),
            one.clone().prop_map(|of| format!("\"x\\({of})\"")),
            one.clone().prop_map(|of| format!("(-({of}))?")),
            one.prop_map(|of| format!(".[{of}:]")),
        ]
    })
}

/// Functions of one value, and the types of input for which jaq means them otherwise than jq, whose meaning is ours.
const PLAIN: &[(&str, &[&str])] = &[
    (".[0]", &["object"]),
    (".[1:]", &["null"]),
    (".[:-1]", &["null"]),
    (".a", &[]),
    ("@base64", &[]),
    ("@json", &[]),
    ("@sh", &[]),
    ("@uri", &[]),
    ("[..]", &[]),
    ("[.[]?]", &[]),
    ("[foreach .[] as $x (0; [., $x])]", &[]),
    ("[limit(2; .[])]", &[]),
    ("[path(..)]", &[]),
    ("[paths]", &[]),
    ("[range(length)]", &[]),
    ("[recurse]", &[]),
    ("add", &[]),
    ("all", &[]),
    ("any", &[]),
    ("ascii_upcase", &[]),
    ("contains([1])", &["null", "boolean", "number", "string", "object"]),
    // To jaq, what is not there can be neither deleted nor changed.
    ("if . == [] then . else del(.[0]) end", &["null", "object"]),
    ("del(.a)", &["null"]),
    ("explode", &[]),
    ("first", &["object"]),
    ("[first(.[])]", &[]),
    ("flatten", &["null", "boolean", "number", "string", "object"]),
    ("getpath([\"a\", \"b\"])", &[]),
    ("group_by(type)", &[]),
    ("has(0)", &["null", "object"]),
    ("index(\"b\")", &["null"]),
    ("isempty(.[])", &[]),
    ("keys", &[]),
    ("last", &["object"]),
    ("length", &[]),
    ("ltrimstr(\"a\")", &["null", "boolean", "number", "array", "object"]),
    // jaq joins arrays and objects too, and writes null out.
    ("map(select(. != null and type != \"array\" and type != \"object\")) | join(\",\")", &[]),
    ("map(select(. == 1))", &[]),
    ("map(type)", &[]),
    ("map_values(.)", &[]),
    ("max", &[]),
    ("max_by(tojson)", &[]),
    ("min", &[]),
    ("min_by(tojson)", &[]),
    ("not", &[]),
    ("reduce .[] as $x (0; [., $x])", &[]),
    ("reverse", &["null", "string"]),
    ("sort", &[]),
    // jaq asks no key of one item alone; this one never fails.
    ("sort_by(tojson)", &[]),
    ("split(\"a\")", &[]),
    ("startswith(\"a\")", &[]),
    ("test(\"[ab]\")", &[]),
    ("gsub(\"[ab]\"; \"-\")", &[]),
    ("[match(\"[a-c]+\"; \"g\") | .offset, .string]", &[]),
    ("to_entries", &[]),
    ("tojson", &[]),
    ("tojson | fromjson", &[]),
    ("tostring", &[]),
    // jaq takes objects for rows.
    ("map(select(type == \"array\")) | transpose", &[]),
    (".[]? |= [.]", &[]),
    (".a? = 1", &["null"]),
    ("if . == [] then . else .[0]? += 1 end", &["object", "null"]),
    ("@html", &[]),
    ("[.. | numbers]", &[]),
    ("[.[]? | arrays as [$x, $y] | $y]", &[]),
    ("[indices(1)]", &["null", "object"]),
    ("[label $l | .[] | ., break $l]", &[]),
    ("[paths(type == \"number\")]", &[]),
    ("[scan(\"[a-c]\")]", &[]),
    ("[splits(\"a\")]", &[]),
    ("[while(length > 0; .[1:])]", &["null", "number"]),
    ("all(.[]; . != null)", &[]),
    ("any(.[]; . == 1)", &[]),
    ("ascii_downcase", &[]),
    ("[capture(\"(?<x>[a-c])\")]", &[]),
    ("endswith(\"b\")", &[]),
    ("implode", &[]),
    ("[nth(1; .[])]", &[]),
    ("sub(\"(?<x>[a-c])\"; \"<\\(.x)>\")", &[]),
    ("tonumber", &[]),
    ("trim", &[]),
    ("until(length < 2; .[1:])", &["null", "number"]),
    ("type", &[]),
    ("unique", &[]),
    ("unique_by(type)", &[]),
    // To jaq, a number is a key.
    ("with_entries(.value |= [.])", &["array"]),
];

/// jaq keeps the keys of an object in the order in which they came; this puts them in order wherever objects are added.
const IN_ORDER: &str = "(.. | select(type == \"object\")) |= (to_entries | sort_by(.key) | from_entries)";

/// A function as it stands in a program: not called for what jaq takes otherwise.
fn plain_function((function, not_for): (&str, &[&str])) -> String {
    let wrong = |kind: &&str| format!("type == \"{kind}\"");
    let function = if function == "add" { format!("add | {IN_ORDER}") } else { function.to_owned() };
    match not_for.iter().map(wrong).collect::<Vec<_>>().join(" or ").as_str() {
        "" => function,
        wrong => format!("if {wrong} then . else {function} end"),
    }
}

/// Programs that give one value or an error, and mean the same to jaq and jq.
fn plain_programs() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(".".to_owned()),
        Just(".list".to_owned()),
        Just(".map".to_owned()),
        Just("1".to_owned()),
        Just("\"ab\"".to_owned()),
        Just("null".to_owned()),
        Just("[3, 1, 2]".to_owned()),
        Just("[[1, 2], [0]]".to_owned()),
        Just("{a: 1, b: [2]}".to_owned()),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let one = inner.clone();
        let two = (inner.clone(), inner);
        prop_oneof![
            1 => (two.clone(), prop::sample::select(&["|", "==", "<", "<=", "!=", ">", ">=", "and", "or"][..]))
                .prop_map(|((left, right), op)| format!("({left}) {op} ({right})")),
            // Two that are equal: chance hardly makes them.
            1 => (one.clone(), prop::sample::select(&["==", "<", "<=", "!=", ">", ">="][..]))
                .prop_map(|(of, op)| format!("({of}) {op} ({of})")),
            // To jaq, a quotient is no whole number.
            1 => two.clone().prop_map(|(left, right)| format!("try (({left}) / ({right}) | if type == \"number\" then floor else . end) catch \"fails\"")),
            1 => (two.clone(), prop::sample::select(&["-", "%"][..]))
                .prop_map(|((left, right), op)| format!("try (({left}) {op} ({right})) catch \"fails\"")),
            1 => (two.clone(), prop::sample::select(&["+", "*"][..]))
                .prop_map(|((left, right), op)| format!("try (({left}) {op} ({right}) | {IN_ORDER}) catch \"fails\"")),
            // To jaq, an error before `//` is an error.
            1 => two.clone().prop_map(|(left, right)| format!("({left})? // ({right})")),
            1 => (one.clone(), prop::sample::select(PLAIN).prop_map(plain_function))
                .prop_map(|(of, function)| format!("({of}) | {function}")),
            3 => (one.clone(), prop::sample::select(PLAIN).prop_map(plain_function))
                .prop_map(|(of, function)| format!("({of}) | try ({function}) catch \"fails\"")),
            1 => two.clone().prop_map(|(left, right)| format!("({left}) as $v | [$v, {right}]")),
            1 => two.clone().prop_map(|(left, right)| format!("if {left} then {right} else . end")),
            1 => two.prop_map(|(left, right)| format!("{{a: ({left}), b: ({right})}}")),
            1 => one.clone().prop_map(|of| format!("[{of}]")),
            1 => one.prop_map(|of| format!("\"x\\({of})\"")),
        ]
    })
}

/// What jaq itself says: its one value, or its error in words. All values beyond the first are left out.
fn by_jaq(text: &str, context: &Json) -> Result<Json, String> {
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: text, path: () });
    let modules = modules.unwrap_or_else(|errors| panic!("jaq cannot read {text}: {errors:?}"));
    let filter = Compiler::default().with_funs(funs).compile(modules);
    let filter = filter.unwrap_or_else(|errors| panic!("jaq cannot compile {text}: {errors:?}"));
    let input = jaq_json::read::parse_single(context.to_string().as_bytes()).unwrap();
    let ctx = Ctx::<data::JustLut<jaq_json::Val>>::new(&filter.lut, Vars::new([]));
    let mut out = filter.id.run((ctx, input)).map(unwrap_valr);
    let first = out.next().expect("plain programs give a value").map_err(|error| error.to_string())?;
    assert!(out.next().is_none(), "plain programs give one value: {text}");
    serde_json::from_str(&first.to_string()).map_err(|error| format!("{first} is no JSON: {error}"))
}

/// 1 and 1.0 are the same number.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.as_f64() == right.as_f64(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_program_panics_or_goes_on_without_end(program in programs()) {
        let program = format!("label $l | . as $v | {program}");
        let context = json!({"a": [1, {"b": "text"}], "b": null});
        let (first, steps) = counted(&program, &context);
        prop_assert!(steps <= MAX_STEPS);
        let (again, same_steps) = counted(&program, &context);
        prop_assert_eq!(first, again);
        prop_assert_eq!(steps, same_steps);
    }

    #[test]
    fn no_text_panics(text in "[ -~é\n]{0,60}") {
        let _ = over(&text, &json!([1]));
    }
}

#[test]
fn what_jaq_says_is_what_we_say() {
    let context = json!({"list": [3, "b", null, [1]], "map": {"a": 1, "b": {"c": 2}}});
    // The same programs each time: what is new to both is looked for by hand, with another seed.
    let config = ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (asked, compared) = (Cell::new(0), Cell::new(0));
    let done = runner.run(&plain_programs(), |program| {
        asked.set(asked.get() + 1);
        match (by_jaq(&program, &context), over(&program, &context)) {
            (Ok(jaq), Ok(ours)) => {
                compared.set(compared.get() + 1);
                prop_assert!(same(&jaq, &ours), "{program}\n jaq {jaq}\nours {ours}");
            }
            (Err(_), Err(_)) => {}
            (jaq, ours) => prop_assert!(false, "{program}\n jaq {jaq:?}\nours {ours:?}"),
        }
        Ok(())
    });
    assert!(done.is_ok(), "{}", done.unwrap_err());
    let (asked, compared) = (asked.get(), compared.get());
    assert!(
        asked >= 1_500 && compared * 100 >= asked * 80,
        "only {compared} of {asked} programs gave values to compare"
    );
}
