//! What expressions promise.

mod hostile;
mod known;
mod page;
mod random;
mod said;

use serde_json::{Value as Json, json};

use super::fuel::{Fuel, MAX_STEPS};
use super::{Error, Expression, Machine, Names};

fn over(text: &str, context: &Json) -> Result<Json, Error> {
    Expression::parse(text)?.evaluate(context)
}

/// The result, or the error in words.
fn said(text: &str, context: &Json) -> String {
    over(text, context).map_or_else(|error| error.to_string(), |value| value.to_string())
}

/// The result as it was counted, and the steps that it took.
fn counted(text: &str, context: &Json) -> (Result<Json, Error>, u64) {
    let machine = Machine { fuel: Fuel::full() };
    let result = Expression::parse(text).and_then(|expression| expression.counted(context, &machine));
    (result, machine.fuel.spent())
}

/// Runs on a stack as small as a thread's may be.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1 << 20).spawn(test).unwrap().join().unwrap();
}

fn reads(text: &str) -> String {
    let expression = Expression::parse(text).unwrap();
    let reads = expression.reads();
    let names = |top: &str| match reads.of(top) {
        Names::None => None,
        Names::All => Some(format!("{top}: all")),
        Names::These(names) => Some(format!("{top}: {}", names.iter().cloned().collect::<Vec<_>>().join(" "))),
    };
    ["run", "inputs", "nodes", "from", "item"].into_iter().filter_map(names).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_an_expression_reads_is_seen_without_evaluating_it() {
    assert_eq!(reads("1 + 1"), "");
    assert_eq!(reads(".inputs.size * 2"), "inputs: size");
    assert_eq!(reads(r#".nodes.build.output.url, .nodes["a-b"].outcome, ."nodes"."c\u0064""#), "nodes: a-b build cd");
    assert_eq!(reads(".nodes | .build | .output"), "nodes: build");
    assert_eq!(reads(".nodes as $n | $n.build.output"), "nodes: build");
    assert_eq!(reads(". as {nodes: {build: $b}} | $b"), "nodes: build");
    assert_eq!(reads(". as {$inputs} | $inputs.size"), "inputs: size");
    let keyed_by_another = ".inputs as $k | .nodes as {a: $r, ($k.which): $z} | $z";
    assert_eq!(reads(keyed_by_another), "inputs: which, nodes: all", "the keys of a pattern do not see its variables");
    assert_eq!(reads(".nodes | keys"), "nodes: all");
    assert_eq!(reads(".nodes[.inputs.which]"), "inputs: which, nodes: all");
    assert_eq!(reads(".nodes[]"), "nodes: all");
    assert_eq!(reads("[range(.inputs.n)] | map(. + 1)"), "inputs: n");
    assert_eq!(reads(".from | map(select(.outcome == \"failed\"))"), "from: all");
    assert_eq!(reads("reduce .from[] as $f (0; . + $f.output.n)"), "from: all");
    assert_eq!(reads("if .inputs.a then .item.x else .run.id end"), "run: id, inputs: a, item: x");
    assert_eq!(reads("\"\\(.run.name)-\\(.item)\""), "run: name, item: all");
    assert_eq!(reads("label $out | .inputs as $i | first($i.a, break $out)"), "inputs: a");
    let all = "run: all, inputs: all, nodes: all, from: all, item: all";
    for whole in
        [".", "..", ".[]", "keys", "to_entries", ".inputs.a = 1", "getpath([\"nodes\"])", ".[.inputs.a]", "tojson"]
    {
        assert_eq!(reads(whole), all, "{whole}");
    }
}

#[test]
fn top_level_names_that_are_not_there_are_found_with_the_nearest() {
    let expression = Expression::parse(".imputs.size + .run.n").unwrap();
    let error = expression.reads_only(&["run", "inputs", "nodes"]).unwrap_err();
    assert_eq!(error.to_string(), "found `.imputs`, expected one of inputs, nodes, run; did you mean `inputs`?");
    assert_eq!(Expression::parse(". as {inputs: $i} | $i").unwrap().reads_only(&["inputs"]), Ok(()));
    assert_eq!(Expression::parse(".inputs | map(.x) | .[0].y").unwrap().reads_only(&["inputs"]), Ok(()));
}

#[test]
fn exactly_one_value_is_a_result() {
    assert_eq!(over("empty", &json!(null)), Err(Error::NoValue));
    assert_eq!(over("1, 2", &json!(null)), Err(Error::Values));
    assert_eq!(over("try (1, 2) catch 3", &json!(null)), Err(Error::Values), "a `try` does not see that");
    assert_eq!(over("first(1, error(\"never asked\"))", &json!(null)), Ok(json!(1)));
    assert_eq!(over("label $out | 1, break $out, 2", &json!(null)), Ok(json!(1)));
}

#[test]
fn large_numbers_have_one_order_exact_or_not() {
    let exact = 9_007_199_254_740_992u64;
    let numbers: Vec<Json> =
        (0..300).map(|at| if at % 3 == 0 { json!(exact as f64) } else { json!(exact + at * 7 % 5) }).collect();
    let ordered = "sort | . as $all | [range(1; length) | . as $at | $all[$at - 1] <= $all[$at]] | all";
    assert_eq!(over(ordered, &json!(numbers)), Ok(json!(true)));
    let floats = json!([exact as f64, exact as f64 + 2.0, 1e300, -1e300, 0.5]);
    let compared = "[.[0] == 9007199254740992, .[0] < 9007199254740993, .[1] > 9007199254740993,
        .[2] > 18446744073709551615, .[3] < -9223372036854775808, .[4] > 0, .[4] < 1, 0 < .[4]]";
    assert_eq!(over(&format!("{compared} | all"), &floats), Ok(json!(true)));
}

#[test]
fn an_expression_is_its_text_and_crosses_threads() {
    fn crosses<T: Send + Sync + Clone>(_: &T) {}
    let expression = Expression::parse(".a").unwrap();
    crosses(&expression);
    assert_eq!(expression, Expression::parse(".a").unwrap());
    assert_ne!(expression, Expression::parse(".a ").unwrap());
    assert_eq!(format!("{expression:?}"), r#"Expression(".a")"#);
}
