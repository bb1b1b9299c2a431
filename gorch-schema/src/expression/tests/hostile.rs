//! Expressions that want to do harm: each ends within its bounds, on a small stack.

use super::*;

use crate::expression::{Bound, MAX_TEXT};

/// Each of them would take forever, or all memory, or the whole stack.
const ENDLESS: &[&str] = &[
    "[range(1000000000000)]",
    "reduce range(1000000000000) as $i (0; . + 1)",
    "last(range(0; 1; 0.0000000001))",
    "[range(100000)] | [.[] as $a | .[] as $b | .[] as $c | 1]",
    "[limit(1000000000000; repeat(1))]",
    "last(repeat(1))",
    "isempty(repeat(1) | select(false))",
    "first(repeat(1) | empty)",
    "any(repeat(1); false)",
    "try last(repeat(1)) catch 7",
    "[.[]?, (try last(repeat(1)) catch 1), 2]",
    "(last(repeat(1)) // 5)",
    "last(repeat(1))? // 5",
    "label $x | last(repeat(1)), break $x",
    "0 | until(false; .)",
    "0 | last(while(true; . + 1))",
    "[recurse(.)] | length",
    "0 | [recurse(. + 1, . + 2)] | length",
    "reduce range(100) as $i (\"x\"; . + .)",
    "\"x\" * 1000000000",
    "\"x\" * 18446744073709551615",
    "(\"x\" * 4000000) | \"\\(.)\\(.)\\(.)\\(.)\\(.)\"",
    "(\"<\" * 4000000) | @html",
    "(\"\\u0001\" * 4000000) | tojson | last(repeat(tojson))",
    "[limit(60; repeat(\"xxxxxxxxxx\" * 100000))] | add",
    "reduce range(100) as $i ([1]; . + .)",
    "reduce range(200) as $i (1; [., .]) | tojson",
    "reduce range(200) as $i (1; [., .]) | . == .",
    "reduce range(60) as $i (1; {a: ., b: .})",
    "reduce range(60) as $i ([1]; [., .]) | flatten",
    "reduce range(100000) as $i (0; [.])",
    "reduce range(100000) as $i (0; {a: .})",
    "null | setpath([range(100000) | 0]; 1)",
    "null | setpath([1000000000]; 1)",
    ".[1000000000] = 1",
    ".[0][99999999999999] = 1",
    "last(path(repeat(.[0])))",
    "last(path(recurse(.[0])))",
    "last(path(recurse(.a))) | length",
    "[range(30000)] | sort_by([range(100)])",
    "[range(1000)] | . - . | last(repeat(1))",
    "[range(300000)] - [range(300000)]",
    "[range(300000)] | contains([range(300000)])",
    "(\"a\" * 100000) | last(repeat(.) | test(\"(a+)+$b\"))",
    "(\"a\" * 1000000) | [match(\"a\"; \"g\")]",
    "(\"a\" * 1000000) | gsub(\"\"; \"xxxxxxxxxx\")",
    "\"abcdefghijklmnopqrstuvwxyz\" | sub(\".\"; \"a\", \"b\", \"c\"; \"g\")",
    "(\"ab\" * 1000000) | split(\"\") | last(repeat(.[]))",
    "{a: (1,2), b: (1,2), c: (1,2), d: (1,2), e: (1,2), f: (1,2), g: (range(100)), h: range(100), i: range(100)} | empty",
    "last((range(100), range(100)) as $a | 1, repeat(1))",
    "[foreach repeat(1) as $i (0; . + $i)]",
    "reduce (range(1000), range(1000)) as $x (\"\"; . + \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\")",
    "[range(1000)] | map([range(1000)]) | .[] |= map(. + 1)",
];

#[test]
fn nothing_goes_on_without_end() {
    on_a_small_stack(|| {
        let mut wrong = Vec::new();
        for text in ENDLESS {
            let (result, steps) = counted(text, &json!(null));
            assert!(steps <= MAX_STEPS, "{text} took {steps} steps");
            if !matches!(result, Err(Error::TooMuch(_))) {
                wrong.push(format!("{text}: {result:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn an_expression_that_has_run_out_is_not_caught_by_itself() {
    for text in ["try last(repeat(1)) catch 7", "last(repeat(1))? // 5", "[.[]?, (try last(repeat(1)) catch 1), 2]"] {
        assert_eq!(over(text, &json!(null)), Err(Error::TooMuch(Bound::Steps)), "{text}");
    }
}

#[test]
fn the_bounds_are_the_same_each_time() {
    let text = "[range(100000)] | map(. * 2) | add";
    let (result, steps) = counted(text, &json!(null));
    assert_eq!(result, Ok(json!(9_999_900_000i64)));
    assert_eq!(counted(text, &json!(null)).1, steps);
}

#[test]
fn doubling_commas_end_by_their_steps() {
    on_a_small_stack(|| {
        let text = format!("last({})", vec!["(., .)"; 40].join(" | "));
        assert_eq!(over(&text, &json!(1)), Err(Error::TooMuch(Bound::Steps)));
    });
}

#[test]
fn texts_that_nest_without_end_are_refused_before_they_are_parsed() {
    on_a_small_stack(|| {
        let deep = |open: &str, n: usize, close: &str| format!("{}1{}", open.repeat(n), close.repeat(n));
        let texts = [
            deep("(", 8_000, ")"),
            deep("[", 8_000, "]"),
            deep("{a:", 4_000, "}"),
            deep("\"\\(", 3_000, ")\""),
            deep("[(\")\")|", 1_500, "]"),
            format!("{}1", "-".repeat(16_000)),
            format!("{}1", "- ".repeat(8_000)),
            format!("{}1", "try ".repeat(4_000)),
            format!("{}1", "if ".repeat(5_000)),
            format!("{}1", "reduce ".repeat(2_000)),
            format!("{}1", "label $x|".repeat(1_500)),
            format!("{}1", ". as $x|".repeat(2_000)),
            format!("{}1", "def f:".repeat(2_000)),
            format!("{}.", ".|".repeat(8_000)),
            format!("{}1", "1+".repeat(8_000)),
            format!("{}1", "1//".repeat(5_000)),
            format!("{}1", "1,".repeat(8_000)),
            format!("[{}1]", ".a=".repeat(5_000)),
            format!("1{}", "?".repeat(16_000)),
            format!(".{}", ".a".repeat(8_000)),
            format!(".{}", "[0]".repeat(5_000)),
            "x".repeat(MAX_TEXT + 1),
            "(".repeat(16_000),
            "\"".repeat(16_001),
            format!("{}\"#\" #\")(\n", "(".repeat(10)),
        ];
        for text in texts {
            let shown: String = text.chars().take(20).collect();
            let result = over(&text, &json!(null));
            assert!(result.is_err() || shown.starts_with("1?"), "{shown}: {result:?}");
        }
    });
}

#[test]
fn what_passes_the_guard_fits_onto_a_small_stack() {
    on_a_small_stack(|| {
        let deep = |open: &str, n: usize, close: &str| format!("{}1{}", open.repeat(n), close.repeat(n));
        for text in [
            deep("(", 47, ")"),
            deep("[", 47, "]"),
            deep("{a:", 47, "}"),
            deep("\"\\(", 23, ")\""),
            format!("{}1", "-".repeat(127)),
            format!("{}1", "try ".repeat(127)),
            format!("{}1", "1,".repeat(900)),
            format!("{}1", "1+".repeat(127)),
            format!("{}.", ".|".repeat(127)),
            format!("{}1", ". as $x|".repeat(60)),
            format!("{}1", "label $x|".repeat(60)),
            deep("map(", 46, ")"),
            deep("with_entries(", 46, ")"),
            deep("any(", 46, ")"),
            deep("first(", 46, ")"),
            deep("reduce .[]? as $x (0;", 46, ")"),
            deep("[.[]?|=", 46, "]"),
            deep("if 1 then ", 40, " else 2 end"),
        ] {
            let shown: String = text.chars().take(20).collect();
            let read = Expression::parse(&text);
            assert!(read.is_ok(), "{shown}: {read:?}");
            let _ = over(&text, &json!(null));
            let _ = over(&text, &json!([[[[1]]]]));
        }
    });
}

#[test]
fn a_context_as_deep_as_json_may_be_is_walked_on_a_small_stack() {
    on_a_small_stack(|| {
        let deep = (0..200).fold(json!(1), |value, _| json!([value]));
        let paths = over("[paths] | length", &deep);
        assert_eq!(paths, Ok(json!(200)));
        assert!(over("[..] | length", &deep).is_ok());
        assert!(over("flatten | tojson", &deep).is_ok());
        assert!(over("(. == .), (tojson | fromjson)", &deep).is_err(), "what is parsed is at most 128 deep");
    });
}
