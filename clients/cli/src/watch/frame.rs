//! One picture of a live run.
//!
//! Owns how a board looks on a terminal of some width and height. Promises: no line is wider than the terminal, no
//! picture higher; what runs and what failed is shown first when not everything fits, the rest is counted. Pure: the
//! clock comes in by the door.

use console::{Style, measure_text_width, truncate_str};
use gorch_schema::progress::Status;
use gorch_schema::view::State;
use gorch_schema::{Item, Timestamp};

use crate::text::{clean, short, took};
use crate::watch::board::{Board, Phase, Row};
use crate::watch::family::{Family, Line};

/// How large the terminal is, and whether it takes colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Canvas {
    /// Columns.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
    /// Colours or none.
    pub(crate) paint: Paint,
}

/// Colours or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Escape sequences.
    Colour,
    /// Text only.
    Plain,
}

const BAR: usize = 20;
/// A job's own, beside its node.
const SMALL_BAR: usize = 10;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const LONGEST_NAME: usize = 40;

/// The picture, line by line. `note` is a line of its own at the end (the connection is away).
pub(crate) fn frame(family: &Family, canvas: Canvas, now: Timestamp, note: Option<&str>) -> Vec<String> {
    let mut lines = vec![head(family.root(), canvas, now)];
    let room = canvas.height.saturating_sub(3 + usize::from(note.is_some())).max(3);
    let all = family.lines();
    let shown = shown(&all, room);
    let name = |place: usize| format!("{}{}", all[place].branch(), clean(&all[place].row.name));
    let name_width = shown.iter().map(|place| measure_text_width(&name(*place))).max().unwrap_or(0).min(LONGEST_NAME);
    let engine_width = shown.iter().map(|place| all[*place].row.engine.len()).max().unwrap_or(0).min(10);
    // What nodes work on is shown where there is room left.
    let mut free = room.saturating_sub(shown.len() + usize::from(shown.len() < all.len()));
    for place in &shown {
        let row = all[*place].row;
        let (icon, style) = look(row, now, canvas);
        let name = pad(&truncate_str(&name(*place), name_width, "…"), name_width);
        let engine = pad(&truncate_str(&clean(&row.engine), engine_width, "…"), engine_width);
        let state = pad(word(row), 11);
        let line = format!(
            "{} {name}  {engine}  {} {:>7}  {}",
            style.apply_to(icon),
            style.apply_to(state),
            elapsed(row, now).unwrap_or_default(),
            remarks(row, now),
        );
        lines.push(truncate_str(line.trim_end(), canvas.width, "…").into_owned());
        let items = items(row, &all[*place].branch(), free);
        free -= items.len();
        lines.extend(items.iter().map(|line| truncate_str(line, canvas.width, "…").into_owned()));
    }
    if shown.len() < all.len() {
        lines.push(truncate_str(&rest(&all, &shown), canvas.width, "…").into_owned());
    }
    if let Some(note) = note {
        lines.push(truncate_str(&clean(note), canvas.width, "…").into_owned());
    }
    lines
}

/// What a node works on, below it: what failed first, then what runs; the rest is counted. Of one that went well only
/// the counts are told, beside it.
fn items(row: &Row, branch: &str, room: usize) -> Vec<String> {
    let is_shown = !matches!(row.state, State::Success | State::NotRunnable);
    let mut items: Vec<&Item> = row.items.values().filter(|_| is_shown).collect();
    items.sort_by_key(|item| match item.status {
        Status::Failed | Status::Unreachable => 0,
        Status::Running | Status::Stopped => 1,
        Status::Changed | Status::Ok | Status::Ignored | Status::Rescued | Status::Skipped => 2,
    });
    let fits = if items.len() <= room { items.len() } else { room.saturating_sub(1) };
    let (shown, rest) = items.split_at(fits);
    let width = shown.iter().map(|item| measure_text_width(&clean(&item.name))).max().unwrap_or(0).min(LONGEST_NAME);
    let indent = " ".repeat(measure_text_width(branch) + 4);
    let mut lines: Vec<String> = shown
        .iter()
        .map(|item| {
            let name = pad(&truncate_str(&clean(&item.name), width, "…"), width);
            let message = item.message.as_ref().map(|text| format!(": {}", clean(text))).unwrap_or_default();
            let line = format!("{indent}{name}  {}  {}{message}", pad(item.status.word(), 11), clean(&item.what));
            line.trim_end().to_owned()
        })
        .collect();
    if !rest.is_empty() && room > 0 {
        lines.push(format!("{indent}… and {} more: {}", rest.len(), tally(rest.iter().copied())));
    }
    lines
}

/// `2 changed, 1 ok`.
fn tally<'a>(items: impl Iterator<Item = &'a Item>) -> String {
    let mut counts: std::collections::BTreeMap<Status, usize> = std::collections::BTreeMap::new();
    items.for_each(|item| *counts.entry(item.status).or_default() += 1);
    let counted: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {}", status.word())).collect();
    counted.join(", ")
}

fn head(board: &Board, canvas: Canvas, now: Timestamp) -> String {
    let total = board.rows.len();
    let ended = board.rows.iter().filter(|row| row.state.is_terminal()).count();
    let filled = (ended * BAR).checked_div(total).unwrap_or(BAR);
    let until = match &board.phase {
        Phase::Going | Phase::Cancelling => now,
        Phase::Ended { at, .. } => *at,
    };
    let word = match &board.phase {
        Phase::Cancelling => "cancelling",
        Phase::Going | Phase::Ended { .. } => board.state().word(),
    };
    let style = styled(canvas).bold();
    let name = if board.name.is_empty() { "run".into() } else { clean(&board.name) };
    let line = format!(
        "{} {}  {word}  {}  {}{} {ended}/{total}",
        style.apply_to(name),
        short(board.run),
        board.since.map(|since| took(until.since(since))).unwrap_or_default(),
        "━".repeat(filled),
        "╌".repeat(BAR - filled),
    );
    truncate_str(&line, canvas.width, "…").into_owned()
}

/// The places that are shown, in the order of the tree: all of them, or the most telling ones.
fn shown(all: &[Line<'_>], room: usize) -> Vec<usize> {
    if all.len() <= room {
        return (0..all.len()).collect();
    }
    let mut places: Vec<usize> = (0..all.len()).collect();
    let rank = |place: &usize| {
        let row = all[*place].row;
        let rank = match row.state {
            State::Failure | State::Timeout => 0,
            State::Running => 1,
            State::Canceled => 2,
            State::ToRun => 3,
            State::Success => 4,
            State::Initial => 5,
            State::NotRunnable => 6,
        };
        // Of those that ended, the newest first.
        (rank, std::cmp::Reverse(row.until))
    };
    places.sort_by_cached_key(rank);
    places.truncate(room - 1);
    places.sort_unstable();
    places
}

fn rest(all: &[Line<'_>], shown: &[usize]) -> String {
    let mut counts = [0usize; State::ALL.len()];
    let mut is_shown = vec![false; all.len()];
    shown.iter().for_each(|place| is_shown[*place] = true);
    for place in (0..all.len()).filter(|place| !is_shown[*place]) {
        let state = all[place].row.state;
        counts[State::ALL.iter().position(|one| *one == state).expect("ALL holds every state")] += 1;
    }
    let counted = State::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
    let counted: Vec<String> = counted.map(|(state, count)| format!("{count} {}", state.word())).collect();
    format!("  … and {} more: {}", all.len() - shown.len(), counted.join(", "))
}

fn styled(canvas: Canvas) -> Style {
    Style::new().force_styling(canvas.paint == Paint::Colour)
}

fn look(row: &Row, now: Timestamp, canvas: Canvas) -> (&'static str, Style) {
    let style = styled(canvas);
    match row.state {
        State::Initial => ("·", style.dim()),
        State::ToRun => ("○", style.yellow()),
        State::Running if row.awaited().is_some() => ("◌", style.cyan()),
        State::Running => (SPINNER[(now.as_millis() / 100).rem_euclid(10) as usize], style.cyan()),
        State::Success => ("✔", style.green()),
        State::Failure | State::Timeout => ("✘", style.red()),
        State::NotRunnable => ("–", style.dim()),
        State::Canceled => ("■", style.magenta()),
    }
}

fn word(row: &Row) -> &'static str {
    if row.stopping {
        return "stopping";
    }
    if row.awaited().is_some() { "waiting" } else { row.state.word() }
}

fn elapsed(row: &Row, now: Timestamp) -> Option<String> {
    match row.state {
        State::Initial | State::NotRunnable => None,
        State::ToRun | State::Running => row.since.map(|since| took(now.since(since))),
        State::Success | State::Failure | State::Timeout | State::Canceled => {
            row.since.zip(row.until).map(|(since, until)| took(until.since(since)))
        }
    }
}

fn remarks(row: &Row, now: Timestamp) -> String {
    let mut remarks = Vec::new();
    if let Some(executor) = &row.executor {
        remarks.push(executor.to_string());
    }
    if let Some(from) = row.copied {
        remarks.push(format!("copied from {}", short(from)));
    }
    if let Some(waits) = row.awaited() {
        remarks.push(clean(waits).into_owned());
    }
    if let Some(items) = row.each {
        remarks.push(format!("{}/{} items", items.ended, items.of));
    } else if let Some(child) = row.children.get(&0) {
        remarks.push(format!("run {}", short(*child)));
    }
    if row.visits > 1 {
        remarks.push(format!("visit {}", row.visits));
    }
    if row.attempts > 1 {
        remarks.push(format!("attempt {}", row.attempts));
    }
    if let Some(at) = row.retry_at {
        remarks.push(format!("again in {}", took(at.since(now))));
    }
    if let Some(progress) = &row.progress {
        let bar = progress.percent.map(|percent| {
            let filled = usize::from(percent.whole()) * SMALL_BAR / 100;
            format!("{}{} ", "━".repeat(filled), "╌".repeat(SMALL_BAR - filled))
        });
        remarks.push(format!("{}{}", bar.unwrap_or_default(), clean(&progress.to_string())));
    }
    if row.state == State::Success && !row.items.is_empty() {
        remarks.push(tally(row.items.values()));
    }
    if let Some(failure) = &row.failure {
        let message = if failure.message.is_empty() { String::new() } else { format!(": {}", failure.message) };
        remarks.push(clean(&format!("{}{message}", failure.code)).into_owned());
    }
    remarks.join("  ")
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(measure_text_width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::board::tests::{board, far, hosts, story};
    use crate::watch::family::tests::family;
    use gorch_schema::progress::Changes;

    fn draw(events: usize, width: usize, height: usize, millis: i64, note: Option<&str>) -> String {
        let mut board = board();
        story().iter().take(events).for_each(|event| board.apply(event));
        let canvas = Canvas { width, height, paint: Paint::Plain };
        let lines = frame(&Family::new(board), canvas, Timestamp::from_millis(1_700_000_000_000 + millis), note);
        assert!(lines.len() < height.max(7), "a picture higher than its terminal");
        assert!(lines.iter().all(|line| measure_text_width(line) <= width), "a line wider than its terminal");
        lines.join("\n")
    }

    #[test]
    fn a_live_run_is_a_tree_with_progress() {
        insta::assert_snapshot!(draw(11, 100, 24, 1_100, None), @"
        demo 019aa1b2c3d4  running  1.1s  ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 1/4
        ✔ build        shell  success        0.7s  e1
        ○ ├─test       shell  torun          0.2s  e1  again in 0.2s  exit_nonzero: exit code 1
        · │ └─ship it  shell  initial
        ⠙ └─docs       shell  running        0.2s  e1
        ");
    }

    #[test]
    fn what_a_node_works_on_stands_below_it_as_far_as_there_is_room() {
        let draw = |height| {
            let mut board = board();
            story().iter().take(11).for_each(|event| board.apply(event));
            board.hear(gorch_schema::NodeId(3), &Changes { items: hosts(), progress: None });
            let canvas = Canvas { width: 100, height, paint: Paint::Plain };
            frame(&Family::new(board), canvas, Timestamp::from_millis(1_700_000_001_100), None).join("\n")
        };
        insta::assert_snapshot!(draw(24), @"
        demo 019aa1b2c3d4  running  1.1s  ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 1/4
        ✔ build        shell  success        0.7s  e1
        ○ ├─test       shell  torun          0.2s  e1  again in 0.2s  exit_nonzero: exit code 1
        · │ └─ship it  shell  initial
        ⠙ └─docs       shell  running        0.2s  e1
              web3  failed       look: no disk
              web2  running      install nginx
              web1  changed      install nginx
              web4  ok           look
        ");
        insta::assert_snapshot!(draw(9), @"
        demo 019aa1b2c3d4  running  1.1s  ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 1/4
        ✔ build        shell  success        0.7s  e1
        ○ ├─test       shell  torun          0.2s  e1  again in 0.2s  exit_nonzero: exit code 1
        · │ └─ship it  shell  initial
        ⠙ └─docs       shell  running        0.2s  e1
              web3  failed       look: no disk
              … and 3 more: 1 running, 1 ok, 1 changed
        ");
    }

    #[test]
    fn how_far_a_job_says_it_is_stands_beside_its_node() {
        let row = |changes: Changes| {
            let mut board = board();
            story().iter().take(11).for_each(|event| board.apply(event));
            board.hear(gorch_schema::NodeId(3), &changes);
            let canvas = Canvas { width: 100, height: 24, paint: Paint::Plain };
            frame(&Family::new(board), canvas, Timestamp::from_millis(1_700_000_001_100), None).remove(4)
        };
        let before = "⠙ └─docs       shell  running        0.2s  e1";
        assert_eq!(row(far(Some("45.9"), "page 9")), format!("{before}  ━━━━╌╌╌╌╌╌ 45% page 9"));
        assert_eq!(row(far(Some("100"), "")), format!("{before}  ━━━━━━━━━━ 100%"));
        assert_eq!(row(far(None, "linking")), format!("{before}  linking"));
        assert_eq!(row(far(None, "a\u{1b}[2Jb")).matches('\u{1b}').count(), 0);
    }

    #[test]
    fn an_ended_run_says_how_every_node_ended() {
        insta::assert_snapshot!(draw(19, 100, 24, 99_000, None), @r#"
        demo 019aa1b2c3d4  canceled  1.9s  ━━━━━━━━━━━━━━━━━━━━ 4/4
        ✔ build        shell  success        0.7s  e1
        ✘ ├─test       shell  failure        0.7s  e1  attempt 2  exit_nonzero: exit code 1: assertion "a =…
        – │ └─ship it  shell  notrunnable
        ■ └─docs       shell  canceled       1.0s  e1
        "#);
    }

    #[test]
    fn a_narrow_and_low_terminal_shows_what_matters_and_counts_the_rest() {
        insta::assert_snapshot!(draw(17, 48, 6, 1_750, Some("the orchestrator is away")), @"
        demo 019aa1b2c3d4  cancelling  1.7s  ━━━━━━━━━━…
        ✘ ├─test  shell  failure        0.7s  e1  attem…
        ⠧ └─docs  shell  stopping       0.9s  e1
          … and 2 more: 1 success, 1 notrunnable
        the orchestrator is away
        ");
    }

    #[test]
    fn colours_are_escape_sequences_and_nothing_else_changes() {
        let mut board = board();
        story().iter().for_each(|event| board.apply(event));
        let family = Family::new(board);
        let picture = |paint| frame(&family, Canvas { width: 100, height: 24, paint }, Timestamp::from_millis(0), None);
        let coloured = picture(Paint::Colour).join("\n");
        assert!(coloured.contains("\u{1b}["));
        assert_eq!(console::strip_ansi_codes(&coloured), picture(Paint::Plain).join("\n"));
    }

    #[test]
    fn runs_that_nodes_are_stand_below_them_and_what_only_waits_says_for_what() {
        let canvas = Canvas { width: 100, height: 24, paint: Paint::Plain };
        let lines = frame(&family(), canvas, Timestamp::from_millis(1_700_000_001_100), None);
        insta::assert_snapshot!(lines.join("\n"), @"
        release 019aa1b2c3d4  running    ━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 1/6
        ✔ build          shell     success       0.00s  copied from 019aa1b2c3d3
        ⠙ ├─deploy       gorch     running        1.0s  run 4a22e47e67a8
        · │ ┊ fetch      shell     initial
        ⠙ │ ┊ └─inner    gorch     running        1.0s  run df7987ab94a6
        · │ ┊   ┊ leaf   nil       initial
        ◌ │ └─ask        approval  waiting        1.0s  for an approval
        ⠙ ├─sites        gorch     running        1.0s  1/10 items
        · │ ┊ [1] fetch  shell     initial
        · │ ┊ └─inner    gorch     initial
        ◌ ├─nap          sleep     waiting        1.0s  for 1h
        ◌ └─go           signal    waiting        1.0s  for one of the signals go, stop
        ");
    }
}
