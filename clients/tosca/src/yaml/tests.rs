//! The loader: golden trees with their places, what is refused, and what any text may not do.

use std::fmt::Write;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::place::{Files, Place};
use crate::report::Report;

/// What comes of a text: the tree with the places of all that is in it, and what is wrong.
fn read(text: &str) -> String {
    read_with(text, |_| true)
}

fn read_with(text: &str, has: impl Fn(&str) -> bool) -> String {
    let (mut files, mut report) = (Files::default(), Report::default());
    let file = files.add("x", text.into());
    let mut told = String::new();
    if let Some(node) = load(text, file, has, &mut report) {
        show(&node, 0, &mut told);
    }
    let complaints = report.told(&files);
    for message in &complaints.errors {
        write!(told, "{message}").expect("a text takes all");
    }
    told
}

/// Only what is wrong, whatever it weighs.
fn complaints(text: &str) -> String {
    let (mut files, mut report) = (Files::default(), Report::default());
    let file = files.add("x", text.into());
    load(text, file, |_| true, &mut report);
    let told = report.told(&files);
    told.errors.iter().chain(&told.warnings).map(ToString::to_string).collect()
}

/// `line:column+width`.
fn place(place: Place) -> String {
    format!("{}:{}+{}", place.line, place.column, place.width)
}

fn show(node: &Node, depth: usize, told: &mut String) {
    let indent = "  ".repeat(depth);
    let tag = node.tag.as_ref().map(|tag| format!("!{tag} ")).unwrap_or_default();
    let at = place(node.place);
    let line = match &node.kind {
        Kind::Scalar { .. } if node.is_null() => format!("{indent}{tag}nothing {at}\n"),
        Kind::Scalar { text, style: Style::Plain } => format!("{indent}{tag}{text} {at}\n"),
        Kind::Scalar { text, style: Style::Quoted } => format!("{indent}{tag}{text:?} {at}\n"),
        Kind::List(_) => format!("{indent}{tag}list {at}\n"),
        Kind::Map(_) => format!("{indent}{tag}map {at}\n"),
    };
    told.push_str(&line);
    for item in node.as_list().unwrap_or_default() {
        show(item, depth + 1, told);
    }
    for entry in node.as_map().unwrap_or_default() {
        show(&entry.key, depth + 1, told);
        show(&entry.value, depth + 2, told);
    }
}

#[test]
fn every_key_and_every_value_has_its_place() {
    assert_snapshot!(read("a: 1\nlist:\n- x\n- {y: [z, 'q']}\nnull:\ntext: |\n  two\n  lines\nü: é\n"), @r#"
    map 1:1+0
      a 1:1+1
        1 1:4+1
      list 2:1+4
        list 3:3+0
          x 3:3+1
          map 4:3+1
            y 4:4+1
              list 4:7+1
                z 4:8+1
                "q" 4:11+3
      nothing 5:1+4
        nothing 5:5+0
      text 6:1+4
        "two\nlines\n" 7:3+0
      ü 9:1+1
        é 9:4+1
    "#);
}

#[test]
fn nothing_is_guessed() {
    assert_snapshot!(read("[1.10, yes, 014, 22:22, 1.8e+308, 0x1F, 2020-01-01, ~, '~', .inf]"), @r#"
    list 1:1+1
      1.10 1:2+4
      yes 1:8+3
      014 1:13+3
      22:22 1:18+5
      1.8e+308 1:25+8
      0x1F 1:35+4
      2020-01-01 1:41+10
      nothing 1:53+1
      "~" 1:56+3
      .inf 1:61+4
    "#);
}

#[test]
fn keys_may_be_lists_and_maps() {
    assert_snapshot!(read("[service1, requirement]: a\n? {b: c}\n: d\n"), @"
    map 1:1+0
      list 1:1+1
        service1 1:2+8
        requirement 1:12+11
        a 1:26+1
      map 2:3+1
        b 2:4+1
          c 2:7+1
        d 3:3+1
    ");
}

#[test]
fn a_tag_of_yaml_is_followed_and_another_one_is_kept() {
    assert_snapshot!(read("[!!str 1, !!int '2', !mine x, !mine {a: b}, !!binary aGk=]"), @r#"
    list 1:1+1
      "1" 1:8+1
      "2" 1:17+3
      !mine x 1:28+1
      !mine map 1:37+1
        a 1:38+1
          b 1:41+1
      !binary aGk= 1:54+4
    "#);
}

#[test]
fn entries_of_other_versions_are_dropped() {
    assert_snapshot!(read_with("!v1.2- a: 1\n!v-1.1 b: 2\nc: 3\n", |tag| tag == "v1.2-"), @"
    map 1:1+0
      !v1.2- a 1:8+1
        1 1:11+1
      c 3:1+1
        3 3:4+1
    ");
}

#[test]
fn an_alias_is_what_it_names_at_its_own_place() {
    assert_snapshot!(read("a: &a {x: 1}\nb: *a\nc: [*a, &d e, *d]\n"), @"
    map 1:1+0
      a 1:1+1
        map 1:7+1
          x 1:8+1
            1 1:11+1
      b 2:1+1
        map 2:4+2
          x 1:8+1
            1 1:11+1
      c 3:1+1
        list 3:4+1
          map 3:5+2
            x 1:8+1
              1 1:11+1
          e 3:12+1
          e 3:15+2
    ");
}

#[test]
fn a_merge_adds_what_the_map_has_not() {
    assert_snapshot!(read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: *a\n  y: 3\nd: {<<: [*b, *a], w: 4}\n'<<': text\n"), @r#"
    map 1:1+0
      a 1:1+1
        map 1:7+1
          x 1:8+1
            1 1:11+1
          y 1:14+1
            1 1:17+1
      b 2:1+1
        map 2:7+1
          y 2:8+1
            2 2:11+1
          z 2:14+1
            2 2:17+1
      c 3:1+1
        map 4:3+0
          y 5:3+1
            3 5:6+1
          x 1:8+1
            1 1:11+1
      d 6:1+1
        map 6:4+1
          w 6:19+1
            4 6:22+1
          y 2:8+1
            2 2:11+1
          z 2:14+1
            2 2:17+1
          x 1:8+1
            1 1:11+1
      "<<" 7:1+4
        text 7:7+4
    "#);
}

#[test]
fn what_is_merged_is_a_map() {
    assert_snapshot!(read("a: {<<: 1}"), @"
    x:1:9: error: found `1` below `<<`, expected a map to merge, or a list of maps [merge]
         1 | a: {<<: 1}
           |         ^
    ");
    assert_snapshot!(read("a: {<<: [{x: 1}, [2]]}"), @"
    x:1:9: error: found a list of 2 below `<<`, expected a map to merge, or a list of maps [merge]
         1 | a: {<<: [{x: 1}, [2]]}
           |         ^
    ");
}

#[test]
fn a_key_that_stands_twice_is_told_with_both_places() {
    assert_snapshot!(read("a: 1\nb: 2\n\"a\": 3\n"), @r#"
    map 1:1+0
      a 1:1+1
        3 3:6+1
      b 2:1+1
        2 2:4+1
    x:3:1: error: the key `a` stands twice in this map [duplicate_key]
         3 | "a": 3
           | ^^^
           x:1:1: it stands here first
    "#);
    assert_snapshot!(complaints("? [a, b]\n: 1\n? [a, b]\n: 2\n"), @"
    x:3:3: error: the key `[a, b]` stands twice in this map [duplicate_key]
         3 | ? [a, b]
           |   ^
           x:1:3: it stands here first
    ");
}

#[test]
fn a_key_that_says_the_same_twice_is_no_more_than_a_warning() {
    assert_snapshot!(complaints("a: {x: [1, 2]}\na: {x: [1, 2]}\n"), @"
    x:2:1: warning: the key `a` stands twice in this map [duplicate_key]
         2 | a: {x: [1, 2]}
           | ^
           x:1:1: it stands here first
    ");
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    assert_snapshot!(read("a: [1, 2\nb: 3\n"), @"
    x:2:2: error: this is no YAML: illegal placement of ':' indicator [yaml]
         2 | b: 3
           |  ^
    ");
    assert_snapshot!(read("a: *none\n"), @"
    x:1:4: error: this is no YAML: while parsing node, found unknown anchor [yaml]
         1 | a: *none
           |    ^
    ");
    assert_snapshot!(read("\ta: 1\n"), @"
    map 1:2+0
      a 1:2+1
        1 1:5+1
    ");
    assert_snapshot!(read("a: 'open\n"), @"x:2:1: error: this is no YAML: invalid indentation in multiline quoted scalar [yaml]");
}

#[test]
fn a_file_is_one_document() {
    assert_snapshot!(read(""), @"nothing 1:1+0");
    assert_snapshot!(read("# nothing\n"), @"nothing 1:1+0");
    assert_snapshot!(read("---\na: 1\n...\n"), @"
    map 2:1+0
      a 2:1+1
        1 2:4+1
    ");
    assert_snapshot!(read("a: 1\n---\nb: 2\n"), @"
    x:3:1: error: found a second YAML document, expected one in a file [one_document]
         3 | b: 2
           | ^
    ");
}

#[test]
fn an_alias_cannot_stand_in_what_it_names() {
    assert_snapshot!(read("a: &a [*a]\n"), @"
    x:1:8: error: `*a` stands inside of what it names [alias]
         1 | a: &a [*a]
           |        ^^
           hint: an alias may only name what ends before it
    ");
}

#[test]
fn maps_and_lists_stand_in_each_other_up_to_a_bound() {
    let nested = |depth: usize| format!("{}x{}", "[".repeat(depth), "]".repeat(depth));
    assert!(!read(&nested(128)).contains("error"));
    assert_snapshot!(read(&nested(129)), @"
    x:1:129: error: more than 128 maps and lists stand in each other [too_deep]
         1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
           |                                                                                 ^
    ");
    let (mut text, mut indent) = (String::new(), String::new());
    for _ in 0..129 {
        writeln!(text, "{indent}a:").expect("a text takes all");
        indent.push(' ');
    }
    assert_snapshot!(read(&text).lines().next().unwrap_or_default(), @"x:129:129: error: more than 128 maps and lists stand in each other [too_deep]");
}

#[test]
fn aliases_cannot_make_it_deeper() {
    let mut text = format!("- &a0 {}x{}\n", "[".repeat(60), "]".repeat(60));
    for number in 1..10_000 {
        let before = number - 1;
        writeln!(text, "- &a{number} {}*a{before}{}", "[".repeat(60), "]".repeat(60)).expect("a text takes all");
    }
    assert_snapshot!(read(&text).lines().next().unwrap_or_default(), @"x:3:67: error: more than 128 maps and lists stand in each other [too_deep]");
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut text = "a0: &a0 lol\n".to_owned();
    for number in 1..10 {
        let ten = format!("*a{}, ", number - 1).repeat(10);
        writeln!(text, "a{number}: &a{number} [{ten}]").expect("a text takes all");
    }
    assert_snapshot!(read(&text).lines().next().unwrap_or_default(), @"x:7:20: error: more than 250000 values, with what aliases repeat; 64 bytes of a text count as one [too_large]");
}

#[test]
fn long_texts_cannot_be_repeated_without_end() {
    let many = "*a, ".repeat(1000);
    let text = format!("a: &a {}\n? [{many}]\n: 1\n", "x".repeat(1 << 20));
    assert_snapshot!(read(&text).lines().next().unwrap_or_default(), @"x:2:64: error: more than 250000 values, with what aliases repeat; 64 bytes of a text count as one [too_large]");
}

/// How many nodes there are, and how deep they stand, with all places in the text.
fn walk(node: &Node, lines: &[&str]) -> (usize, usize) {
    let place = node.place;
    let line = lines.get(place.line as usize - 1).copied().unwrap_or_default();
    assert!(place.line as usize <= lines.len().max(1), "{place:?}");
    assert!(place.column as usize <= line.chars().count() + 2, "{place:?} in {line:?}");
    let items = node.as_list().unwrap_or_default().iter();
    let entries = node.as_map().unwrap_or_default().iter().flat_map(|entry| [&entry.key, &entry.value]);
    items
        .chain(entries)
        .map(|inner| walk(inner, lines))
        .fold((1, 1), |(size, depth), (more, deeper)| (size + more, depth.max(deeper + 1)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_tree_or_a_complaint(text in r#"[a-c0 \n:\-\[\]{},?&*!|>'"<#%~é\t]{0,200}|([a-b]{1,2}(: |:\n {1,3})?|- |\n|\n  |\n- |[&*][ab] |\[|\]|\{|\}|, |<<: |\? ){0,60}"#) {
        let mut files = Files::default();
        let mut report = Report::default();
        let file = files.add("x", text.as_str().into());
        let loaded = load(&text, file, |_| true, &mut report);
        // A key that stands twice is refused, and read.
        prop_assert!(loaded.is_some() || report.is_refused());
        if let Some(node) = &loaded {
            let (size, depth) = walk(node, &text.split('\n').collect::<Vec<_>>());
            prop_assert!(size <= 250_000 && depth <= 129);
        }
        // Each complaint can be shown.
        let told = report.told(&files);
        prop_assert_eq!(told.to_string().is_empty(), told.errors.is_empty());
        let is_read = |error: &crate::report::Message| error.rule == "duplicate_key";
        prop_assert_eq!(told.errors.iter().all(is_read), loaded.is_some());
    }
}

#[test]
fn messages_stay_short_whatever_stands_there() {
    let many = "x, ".repeat(1000);
    assert_snapshot!(complaints(&format!("? [{many}]\n: 1\n? [{many}]\n: 2\n")), @"
    x:3:3: error: the key `[x, x, x, x, x, x, x, x, ...]` stands twice in this map [duplicate_key]
         3 | ? [x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x
           |   ^
           x:1:3: it stands here first
    ");
    assert_snapshot!(read(&format!("{{{}: {}, b: {}}}", "a".repeat(200), "y".repeat(200), "*c")), @"
    x:1:409: error: this is no YAML: while parsing node, found unknown anchor [yaml]
         1 | yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy, b: *c}
           |                                                                                 ^
    ");
}
