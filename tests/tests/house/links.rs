//! Links of the project's pages that stay inside the project lead somewhere: to a file, and to a heading of it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::hold;
use crate::sources::{Source, root, sources};

/// The lines of a page outside its code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Where the links of a line lead.
fn targets(line: &str) -> Vec<&str> {
    let mut found: Vec<&str> =
        line.match_indices("](").filter_map(|(at, door)| line[at + door.len()..].split(')').next()).collect();
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.push(target.trim());
    }
    found
}

/// A heading as the part of a link after `#`.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> Vec<String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| anchor(line.trim_start_matches('#')))
        .collect()
}

/// `a/../b` as `b`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(part) => plain.push(part),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    plain
}

fn dead_links(sources: &[Source], is_there: impl Fn(&Path) -> bool) -> Vec<String> {
    let pages: BTreeMap<PathBuf, &Source> =
        sources.iter().filter(|s| s.is(".md")).map(|s| (PathBuf::from(&s.path), s)).collect();
    let mut complaints = Vec::new();
    for (path, page) in &pages {
        for (at, line) in prose(&page.text) {
            for target in
                targets(line).into_iter().filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            {
                let (file, part) = target.split_once('#').unwrap_or((target, ""));
                let folder = path.parent().unwrap_or(Path::new(""));
                let leads_to = if file.is_empty() { path.clone() } else { plain(&folder.join(file)) };
                let headings = pages.get(&leads_to).map(|page| anchors(&page.text));
                let lost = !part.is_empty() && headings.is_some_and(|all| !all.iter().any(|heading| heading == part));
                if lost || !is_there(&leads_to) {
                    complaints.push(format!("{}:{at} leads nowhere: {target}", page.path));
                }
            }
        }
    }
    complaints
}

#[test]
fn every_link_inside_the_project_leads_somewhere() {
    hold(&dead_links(&sources(), |path| root().join(path).exists()));
}

#[test]
fn a_dead_link_is_found() {
    let samples = [
        Source::of(
            "docs/a.md",
            "# Top\n[b](../b.md#what-is-it) [c](c.md) [top](#top) [no](#bottom)\n```\n[x](x.md)\n```",
        ),
        Source::of("b.md", "## What is it?\n[out](https://example.org/x) [gone](docs/a.md#gone)\n[r]: docs/no.md\n"),
    ];
    let there = |path: &Path| [Path::new("docs/a.md"), Path::new("b.md")].contains(&path);
    assert_eq!(
        dead_links(&samples, there),
        [
            "b.md:2 leads nowhere: docs/a.md#gone",
            "b.md:3 leads nowhere: docs/no.md",
            "docs/a.md:2 leads nowhere: c.md",
            "docs/a.md:2 leads nowhere: #bottom",
        ]
    );
}
