//! Whatever stands in a template, it is read or refused, soon, and the same each time.

use std::time::{Duration, Instant};

use gorch_tosca::{Options, Whole};
use proptest::prelude::*;

use super::{Disk, v1_3};

/// Templates that are right, and have all sections between them.
const TEMPLATES: [&str; 5] = [
    include_str!("templates/simple-1.0.yaml"),
    include_str!("templates/workflows-1.2.yaml"),
    include_str!("templates/types-1.3.yaml"),
    include_str!("templates/service-2.0.yaml"),
    include_str!("templates/profile-2.0.yaml"),
];

/// What a value may become.
const VALUES: [&str; 16] = [
    "",
    "null",
    "[]",
    "{}",
    "0",
    "-1",
    "99999999999999999999",
    "1.5",
    "true",
    "[[[[]]]]",
    "{a: {b: c}}",
    "$value",
    "{get_property: [SELF, SELF, SELF]}",
    "{$get_property: [SELF, RELATIONSHIP, x, 9, TARGET]}",
    "UNBOUNDED",
    "\u{1F600}",
];

/// One thing that is done to a template.
#[derive(Debug, Clone)]
enum Change {
    /// A line goes.
    Delete(prop::sample::Index),
    /// A line stands twice.
    Twice(prop::sample::Index),
    /// A line stands somewhere else.
    Move(prop::sample::Index, prop::sample::Index),
    /// What stands after the first colon of a line becomes something else.
    Value(prop::sample::Index, usize),
    /// A word of a line becomes another word of the template.
    Word(prop::sample::Index, prop::sample::Index, prop::sample::Index),
    /// A line gets deeper, or less deep.
    Indent(prop::sample::Index, usize),
    /// A value becomes very long.
    Long(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        at().prop_map(Change::Delete),
        at().prop_map(Change::Twice),
        (at(), at()).prop_map(|(from, to)| Change::Move(from, to)),
        (at(), 0..VALUES.len()).prop_map(|(line, value)| Change::Value(line, value)),
        (at(), at(), at()).prop_map(|(line, word, other)| Change::Word(line, word, other)),
        (at(), 0..6_usize).prop_map(|(line, spaces)| Change::Indent(line, spaces)),
        at().prop_map(Change::Long),
    ]
}

fn words(line: &str) -> Vec<&str> {
    line.split([' ', ':', ',', '[', ']', '{', '}', '-']).filter(|word| !word.is_empty()).collect()
}

fn changed(template: &str, changes: &[Change]) -> String {
    let mut lines: Vec<String> = template.lines().map(str::to_owned).collect();
    let all: Vec<&str> = words(template);
    for change in changes {
        if lines.is_empty() {
            break;
        }
        match change {
            Change::Delete(at) => {
                lines.remove(at.index(lines.len()));
            }
            Change::Twice(at) => {
                let at = at.index(lines.len());
                lines.insert(at, lines[at].clone());
            }
            Change::Move(from, to) => {
                let line = lines.remove(from.index(lines.len()));
                lines.insert(to.index(lines.len() + 1), line);
            }
            Change::Value(at, value) => {
                let at = at.index(lines.len());
                if let Some((key, _)) = lines[at].split_once(':') {
                    lines[at] = format!("{key}: {}", VALUES[*value]);
                }
            }
            Change::Word(at, word, other) => {
                let at = at.index(lines.len());
                let own = words(&lines[at]).into_iter().map(str::to_owned).collect::<Vec<_>>();
                if !own.is_empty() {
                    lines[at] = lines[at].replacen(&own[word.index(own.len())], all[other.index(all.len())], 1);
                }
            }
            Change::Indent(at, spaces) => {
                let at = at.index(lines.len());
                lines[at] = format!("{}{}", " ".repeat(*spaces), lines[at].trim_start());
            }
            Change::Long(at) => {
                let at = at.index(lines.len());
                lines[at].push_str(&"x".repeat(100_000));
            }
        }
    }
    lines.join("\n")
}

/// The bytes and the messages of a conversion.
fn converted(disk: &Disk) -> String {
    match gorch_tosca::convert(&disk.at("app.yaml"), &Options::default(), &|_, file| file.to_owned()) {
        Ok(converted) => format!("{}{}{:?}", converted.document, converted.plan(), converted.told),
        Err(told) => format!("{told:?}"),
    }
}

fn disk(template: &str) -> Disk {
    Disk::with(&[("app.yaml", template), ("run.sh", "#!/bin/sh\n")])
}

#[test]
fn the_templates_themselves_are_right() {
    for template in TEMPLATES {
        let disk = disk(template);
        let checked = gorch_tosca::check(&disk.at("app.yaml"), Whole::Whole);
        assert!(checked.is_ok(), "{}", checked.unwrap_err());
        let converted = gorch_tosca::convert(&disk.at("app.yaml"), &Options::default(), &|_, file| file.to_owned());
        assert!(converted.is_ok(), "{}", converted.unwrap_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_template_is_read_or_refused(
        template in prop::sample::select(TEMPLATES.to_vec()),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let disk = disk(&changed(template, &changes));
        let begin = Instant::now();
        for whole in [Whole::Whole, Whole::Part] {
            let refused = gorch_tosca::check(&disk.at("app.yaml"), whole).err();
            // Whoever is refused is told why.
            prop_assert!(refused.is_none_or(|told| !told.errors.is_empty() && !told.to_string().is_empty()));
        }
        converted(&disk);
        prop_assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
    }

    #[test]
    fn the_same_template_is_the_same_document(
        nodes in prop::collection::vec((0..4_usize, prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..8),
    ) {
        const TYPES: [&str; 4] = ["Root", "SoftwareComponent", "DBMS", "WebServer"];
        let mut text = "topology_template:\n  node_templates:\n    host: {type: tosca.nodes.Compute}\n".to_owned();
        for (at, (of, requirements)) in nodes.iter().enumerate() {
            let targets = requirements.iter().map(|to| match to.index(at + 1) {
                0 => "{dependency: host}".to_owned(),
                earlier => format!("{{dependency: n{}}}", earlier - 1),
            });
            let mut targets: Vec<String> = targets.collect();
            if *of > 0 {
                targets.push("{host: host}".to_owned());
            }
            let targets = targets.join(", ");
            text += &format!(
                "    n{at}:\n      type: tosca.nodes.{}\n      requirements: [{targets}]\n      interfaces: {{Standard: {{operations: {{create: run.sh, start: run.sh}}}}}}\n",
                TYPES[*of],
            );
        }
        let disk = disk(&v1_3(&text));
        let first = converted(&disk);
        prop_assert!(first.starts_with('{'), "{}", first);
        prop_assert_eq!(first, converted(&disk));
    }
}
