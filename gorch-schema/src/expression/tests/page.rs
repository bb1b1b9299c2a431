//! docs/expressions.md: each example on the page is evaluated.

use super::*;

const PAGE: &str = include_str!("../../../../docs/expressions.md");

/// The context of the page: the one block of JSON.
fn context() -> Json {
    let (_, rest) = PAGE.split_once("```json\n").expect("the page shows a context");
    serde_json::from_str(rest.split_once("```").expect("the block ends").0).expect("the context is JSON")
}

/// The blocks of examples: `EXPRESSION` on a line, `=> RESULT` below it.
fn examples() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for block in PAGE.split("```jq\n").skip(1) {
        let block = block.split_once("```").expect("the block ends").0;
        let mut text = String::new();
        for line in block.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix("=> ") {
                Some(result) => examples.push((std::mem::take(&mut text), result.to_owned())),
                None => text = [text.as_str(), line].concat(),
            }
        }
        assert_eq!(text, "", "an example without a result");
    }
    examples
}

#[test]
fn every_example_of_the_page_is_true() {
    let context = context();
    let examples = examples();
    assert!(examples.len() > 30, "{} examples were found", examples.len());
    for (text, result) in examples {
        let text = text.strip_prefix("${ ").and_then(|text| text.strip_suffix(" }")).unwrap_or(&text);
        assert_eq!(said(text, &context), result, "{text}");
    }
}

#[test]
fn the_page_names_every_function() {
    let listed = PAGE.split_once("## Functions").expect("the page lists functions").1;
    let listed = listed.split_once("\n## ").expect("something follows").0;
    let words: std::collections::BTreeSet<&str> =
        listed.split('`').skip(1).step_by(2).flat_map(|code| code.split(' ')).collect();
    let names: std::collections::BTreeSet<&str> = crate::expression::functions::names()
        .chain(crate::expression::functions::FORMATS.iter().map(|(name, _)| *name))
        .collect();
    let missing: Vec<_> = names.difference(&words).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let strange: Vec<_> = words.difference(&names).collect();
    assert!(strange.is_empty(), "no function: {strange:?}");
}
