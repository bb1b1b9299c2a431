//! Random programs: none panics, hangs or overflows, and those that jaq evaluates too give the same.

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use proptest::prelude::*;

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

/// Programs without what jaq means to do otherwise than jq: errors and several values where one counts.
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
            (two.clone(), prop::sample::select(&["|", "+", "==", "<", "<=", "!=", "and", "or", "-", "*"][..]))
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
                        "type",
                        "to_entries",
                        "min",
                        "max",
                        "not",
                        "first",
                        "last",
                        "tostring",
                        "[paths]",
                        "[..]",
                        "map_values(.)",
                        "[.[]?]",
                        "any",
                        "all",
                        "map(type)",
                        "sort_by(length)",
                        "group_by(type)",
                        "unique_by(type)",
                        "explode",
                        "ascii_upcase",
                        "with_entries(.value |= [.])",
                        "[limit(2; .[])]",
                        "first(.[])",
                        "isempty(.[])",
                        "del(.[0])",
                        "del(.a)",
                        "reduce .[] as $x (0; [., $x])",
                        "[foreach .[] as $x (0; [., $x])]",
                        "[recurse]",
                        "map(select(. == 1))",
                        ".[1:]",
                        ".[:-1]",
                        ".[0]",
                        ".a",
                        "min_by(length)",
                        "max_by(length)",
                        "@json",
                        "@sh",
                        "@base64",
                        "@uri",
                        "startswith(\"a\")",
                        "split(\"a\")",
                        "join(\",\")",
                        "index(\"b\")",
                        "tojson | fromjson",
                        "has(0)",
                        "ltrimstr(\"a\")",
                        "[range(length)]",
                        "contains([1])",
                        "getpath([\"a\", \"b\"])",
                        "[path(..)]",
                        "transpose",
                    ][..]
                )
            )
                .prop_map(|(of, function)| format!("({of}) | {function}")),
            two.clone().prop_map(|(left, right)| format!("({left}) as $v | [$v, {right}]")),
            two.clone().prop_map(|(left, right)| format!("if {left} then {right} else . end")),
            two.prop_map(|(left, right)| format!("{{a: ({left}), b: ({right})}}")),
            one.clone().prop_map(|of| format!("[{of}]")),
            one.prop_map(|of| format!("\"x\\({of})\"")),
        ]
    })
}

/// What jaq itself says: its one value, or nothing where it fails.
fn by_jaq(text: &str, context: &Json) -> Option<Json> {
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let funs = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: text, path: () }).ok()?;
    let filter = Compiler::default().with_funs(funs).compile(modules).ok()?;
    let input = jaq_json::read::parse_single(context.to_string().as_bytes()).ok()?;
    let ctx = Ctx::<data::JustLut<jaq_json::Val>>::new(&filter.lut, Vars::new([]));
    let mut out = filter.id.run((ctx, input)).map(unwrap_valr);
    let first = out.next()?.ok()?;
    serde_json::from_str(&first.to_string()).ok().filter(|_| out.next().is_none())
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

    #[test]
    fn what_jaq_says_is_what_we_say(program in plain_programs()) {
        let context = json!({"list": [3, "b", null, [1]], "map": {"a": 1, "b": {"c": 2}}});
        if let (Some(jaq), Ok(ours)) = (by_jaq(&program, &context), over(&program, &context)) {
            prop_assert!(same(&jaq, &ours), "{program}\n jaq {jaq}\nours {ours}");
        }
    }
}
