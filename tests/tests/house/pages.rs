//! Every code that a user can meet has its page in `docs/errors/`, and every page has its code; the tests that a page
//! names as proofs are there.

use gorch_schema::outcome::failure_code;
use gorch_schema::problem::CODES;

use crate::hold;
use crate::sources::{Source, sources};

/// A code, and the kind that the second line of its page says.
struct Told {
    code: &'static str,
    kind: String,
}

fn told() -> Vec<Told> {
    let refusals = CODES.iter().map(|row| Told { code: row.code, kind: format!("*Refusal, HTTP {}.*", row.status) });
    let failures = failure_code::ALL.iter().map(|code| Told { code, kind: "*Failure of ".to_owned() });
    refusals.chain(failures).collect()
}

fn code_of(page: &Source) -> Option<&str> {
    page.path.strip_prefix("docs/errors/")?.strip_suffix(".md")
}

fn wrong_pages(told: &[Told], sources: &[Source]) -> Vec<String> {
    let pages: Vec<&Source> = sources.iter().filter(|source| code_of(source).is_some()).collect();
    let mut complaints = Vec::new();
    for Told { code, kind } in told {
        let Some(page) = pages.iter().find(|page| code_of(page) == Some(code)) else {
            complaints.push(format!("docs/errors/{code}.md is missing"));
            continue;
        };
        let mut missing = Vec::new();
        if !page.text.starts_with(&format!("# {code}\n")) {
            missing.push(format!("# {code}"));
        }
        let parts = [kind.as_str(), "\n## You see it when\n", "\n```text\n", "\n## What to do\n"];
        missing.extend(parts.iter().filter(|part| !page.text.contains(*part)).map(|part| part.trim().to_owned()));
        complaints.extend(missing.iter().map(|part| format!("{} lacks `{part}`", page.path)));
    }
    let strays = pages.iter().filter(|page| !told.iter().any(|told| Some(told.code) == code_of(page)));
    complaints.extend(strays.map(|page| format!("{} is a page without a code", page.path)));
    complaints
}

/// Codes that the list of pages does not lead to.
fn unlisted(told: &[Told], list: &str) -> Vec<String> {
    let absent = told.iter().filter(|told| !list.contains(&format!("(errors/{}.md)", told.code)));
    absent.map(|told| format!("docs/errors.md does not name {}", told.code)).collect()
}

/// Sentences in backticks, written as names of tests are, that no test has.
fn missing_proofs(page: &str, sources: &[Source]) -> Vec<String> {
    let named = page.split('`').skip(1).step_by(2).filter(|word| {
        word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    });
    let code: Vec<&Source> = sources.iter().filter(|source| source.is(".rs")).collect();
    let is_there = |name: &str| code.iter().any(|source| source.text.contains(&format!("fn {name}(")));
    named
        .filter(|name| !is_there(name))
        .map(|name| format!("docs/operate.md names `{name}`, and no test does"))
        .collect()
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let sources = sources();
    let page = sources.iter().find(|source| source.path == "docs/operate.md").expect("the promises have their page");
    hold(&missing_proofs(&page.text, &sources));
}

#[test]
fn a_proof_that_is_gone_is_found() {
    let tests = [Source::of("a.rs", "#[test]\nfn nothing_is_lost_ever() {}")];
    let page = "`nothing_is_lost_ever` and `nothing_runs_twice_ever`, `exit_code`, `cargo test_a_b_c`";
    assert_eq!(missing_proofs(page, &tests), ["docs/operate.md names `nothing_runs_twice_ever`, and no test does"]);
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    hold(&wrong_pages(&told(), &sources()));
}

#[test]
fn the_list_of_pages_names_them_all() {
    let sources = sources();
    let list = sources.iter().find(|source| source.path == "docs/errors.md");
    hold(&unlisted(&told(), &list.expect("docs/errors.md lists the pages").text));
}

#[test]
fn a_missing_a_thin_and_a_stray_page_are_found() {
    let told = [
        Told { code: "bad_a", kind: "*Refusal, HTTP 400.*".to_owned() },
        Told { code: "bad_b", kind: "*Refusal, HTTP 422.*".to_owned() },
        Told { code: "timeout.c", kind: "*Failure of ".to_owned() },
    ];
    let full =
        "# timeout.c\n\n*Failure of a run.* X.\n\n## You see it when\n\nY.\n\n```text\nz\n```\n\n## What to do\n\nW.\n";
    let samples = [
        Source::of("docs/errors/bad_b.md", &full.replace("timeout.c", "bad_b")),
        Source::of("docs/errors/timeout.c.md", full),
        Source::of("docs/errors/bad_d.md", full),
    ];
    assert_eq!(
        wrong_pages(&told, &samples),
        [
            "docs/errors/bad_a.md is missing",
            "docs/errors/bad_b.md lacks `*Refusal, HTTP 422.*`",
            "docs/errors/bad_d.md is a page without a code",
        ]
    );
    assert_eq!(unlisted(&told[..2], "[a](errors/bad_a.md)"), ["docs/errors.md does not name bad_b"]);
}
