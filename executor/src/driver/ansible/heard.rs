//! What our plug-in tells of a playbook, and what it comes to.
//!
//! Owns the reading of the pipe, where every host stands, the outputs and the verdict. Promises that what is told on
//! is at most one batch in [`BETWEEN`], each host once in it, and that however many hosts there are a bounded number is
//! remembered one by one. A line that cannot be read is left out: ansible's exit code says whether it went well.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gorch_schema::progress::{LONGEST_MESSAGE, LONGEST_WORD, MOST_ITEMS, Status};
use gorch_schema::session::Lines;
use gorch_schema::work::Work;
use gorch_schema::{Failure, Item, failure_code};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::net::unix::pipe;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::super::local::Over;
use super::super::{Ending, Finish, verdict};
use crate::ledger::Place;
use crate::output;
use crate::secrets::Redactor;

/// Pieces of 16 KiB that are read at once: a pipe holds four, or what its maker made of it.
const PIECES: usize = 64;
/// Changes are told on this often at most.
const BETWEEN: Duration = Duration::from_millis(100);
/// The longest line: all values of `set_stats`, of which our plug-in tells 1 MiB at most.
const LONGEST: usize = 2 * 1024 * 1024;
/// So many hosts are named in a failure.
const NAMED: usize = 5;
/// How ansible begins an error, before 2.19 and since.
const ERROR: [&str; 2] = ["ERROR!", "[ERROR]:"];

/// A line of our plug-in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Item(Told),
    Total { host: String, counts: BTreeMap<Status, u32> },
    Stats(Stats),
}

#[derive(Debug, Deserialize)]
struct Told {
    host: String,
    status: Status,
    task: String,
    #[serde(default)]
    message: Option<String>,
}

/// The values of `set_stats`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stats {
    everywhere: Map<String, Value>,
    by_host: BTreeMap<String, Map<String, Value>>,
    /// They were too large to be told.
    size: Option<u64>,
}

/// Where every host stands.
#[derive(Default)]
struct Board {
    /// What must not be shown is taken out before anything is cut.
    redactor: Option<Arc<Redactor>>,
    items: BTreeMap<String, Item>,
    changed: BTreeSet<String>,
    stats: Stats,
    /// How many hosts there were, and how many of them ended how; known at the end.
    hosts: usize,
    failed: usize,
    unreachable: usize,
}

impl Board {
    fn take(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(Said::Item(told)) => self.told(told),
            Ok(Said::Total { host, counts }) => self.total(&host, counts),
            Ok(Said::Stats(stats)) => self.stats = stats,
            Err(_) => {}
        }
    }

    fn told(&mut self, Told { host, status, task, message }: Told) {
        if self.items.len() >= MOST_ITEMS && !self.items.contains_key(&host) {
            return;
        }
        let name = cut(host, LONGEST_WORD);
        let item = self.items.entry(name.clone()).or_insert_with(|| Item {
            name: name.clone(),
            status,
            what: String::new(),
            message: None,
            counts: BTreeMap::new(),
        });
        item.status = status;
        let shown = |text: String| match &self.redactor {
            Some(redactor) => redactor.cut_text(&text),
            None => text,
        };
        item.what = cut(shown(task), LONGEST_WORD);
        item.message = message.filter(|text| !text.is_empty()).map(|text| both_ends(shown(text), LONGEST_MESSAGE));
        let counted: &[Status] = match status {
            Status::Running | Status::Rescued | Status::Stopped => &[],
            Status::Ok => &[Status::Ok],
            Status::Changed => &[Status::Ok, Status::Changed],
            Status::Ignored => &[Status::Ok, Status::Ignored],
            Status::Skipped => &[Status::Skipped],
            Status::Failed => &[Status::Failed],
            Status::Unreachable => &[Status::Unreachable],
        };
        for status in counted {
            *item.counts.entry(*status).or_default() += 1;
        }
        self.changed.insert(name);
    }

    /// Ansible's own counts at the end: only they know what was rescued.
    fn total(&mut self, host: &str, counts: BTreeMap<Status, u32>) {
        let has = |status| counts.contains_key(&status);
        self.hosts += 1;
        self.failed += usize::from(has(Status::Failed));
        self.unreachable += usize::from(has(Status::Unreachable) && !has(Status::Failed));
        if let Some(item) = self.items.get_mut(host) {
            if item.status == Status::Failed && !has(Status::Failed) && has(Status::Rescued) {
                item.status = Status::Rescued;
            }
            item.counts = counts;
            self.changed.insert(host.to_owned());
        }
    }

    fn changed(&mut self) -> Vec<Item> {
        let changed = std::mem::take(&mut self.changed);
        changed.iter().filter_map(|name| self.items.get(name)).cloned().collect()
    }

    /// The job is over: nothing is done with anything any more.
    fn settle(&mut self) {
        for item in self.items.values_mut().filter(|item| item.status == Status::Running) {
            item.status = Status::Stopped;
        }
    }

    /// Why it failed, as far as hosts are the reason.
    fn failure(&self) -> Option<Failure> {
        let of = |status: Status| {
            // Where ansible did not come to its end, there are no counts but ours.
            self.items.values().filter(move |item| item.counts.contains_key(&status) || item.status == status)
        };
        let is_failed = |item: &Item| item.counts.contains_key(&Status::Failed);
        let failed: Vec<&Item> = of(Status::Failed).collect();
        let unreachable: Vec<&Item> = of(Status::Unreachable).filter(|item| !is_failed(item)).collect();
        let total = self.hosts.max(self.items.len());
        let counted = |count: usize| format!("{count} of {total} {}", if total == 1 { "host" } else { "hosts" });
        let (failures, gone) = (self.failed.max(failed.len()), self.unreachable.max(unreachable.len()));
        let gone_said = || named(&unreachable, gone, |item| item.message.as_ref().map(|text| format!(": {text}")));
        if failures > 0 {
            let said = named(&failed, failures, |item| {
                let message = item.message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                Some(format!(" in the task `{}`{message}", item.what))
            });
            let besides = if gone > 0 { format!("; not reached: {}", gone_said()) } else { String::new() };
            let message = format!("{} failed: {said}{besides}", counted(failures));
            return Some(Failure::new(failure_code::PLAYBOOK_FAILED, message));
        }
        let message = || format!("{} cannot be reached: {}", counted(gone), gone_said());
        (gone > 0).then(|| Failure::new(failure_code::HOST_UNREACHABLE, message()))
    }

    /// The values of `set_stats`: for everywhere, and under their hosts those that only hosts have.
    fn given(&mut self) -> Map<String, Value> {
        let Stats { everywhere: mut given, by_host, size: _ } = std::mem::take(&mut self.stats);
        let mut of_hosts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for (host, values) in by_host {
            for (name, value) in values {
                of_hosts.entry(name).or_default().insert(host.clone(), value);
            }
        }
        for (name, values) in of_hosts {
            given.entry(name).or_insert(Value::Object(values));
        }
        given
    }
}

/// The first ones by name, each with what there is to say, and how many more there are.
fn named(items: &[&Item], count: usize, say: impl Fn(&Item) -> Option<String>) -> String {
    let shown = items.iter().take(NAMED).map(|item| format!("`{}`{}", item.name, say(item).unwrap_or_default()));
    let mut all: Vec<String> = shown.collect();
    if count > all.len() {
        all.push(format!("and {} more", count - all.len()));
    }
    all.join("; ")
}

fn cut(text: String, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// Of a long text its beginning and its end, where the reason often stands.
fn both_ends(text: String, longest: usize) -> String {
    let count = text.chars().count();
    if count <= longest {
        return text;
    }
    let half = longest / 2 - 3;
    let (head, tail): (String, String) = (text.chars().take(half).collect(), text.chars().skip(count - half).collect());
    format!("{head} ... {tail}")
}

/// Listens to our plug-in.
pub(super) struct Heard {
    pipe: pipe::Receiver,
    lines: Lines,
    board: Board,
    /// Nothing is told on before.
    next: Instant,
}

impl Heard {
    pub(super) fn new(pipe: pipe::Receiver, redactor: Option<Arc<Redactor>>) -> Self {
        let board = Board { redactor, ..Board::default() };
        Heard { pipe, lines: Lines::new(LONGEST), board, next: Instant::now() }
    }

    /// Waits for hosts that changed, and a moment for more of them. May be dropped at any time to no harm.
    pub(super) async fn listen(&mut self) -> Vec<Item> {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.next), if !self.board.changed.is_empty() => {
                    self.next = Instant::now() + BETWEEN;
                    return self.board.changed();
                }
                ready = self.pipe.readable() => match ready {
                    Ok(()) => {
                        self.read();
                        // Whoever writes faster than this is read must not keep the stop from being heard.
                        tokio::task::yield_now().await;
                    }
                    // Nothing more will be heard: the job goes on without.
                    Err(_) => std::future::pending().await,
                },
            }
        }
    }

    /// Takes what is there, as much as a pipe holds.
    fn read(&mut self) {
        let mut bytes = [0; 16 * 1024];
        for _ in 0..PIECES {
            match self.pipe.try_read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => {
                    let board = &mut self.board;
                    if self.lines.push(&bytes[..count], |line| board.take(line)).is_err() {
                        self.lines = Lines::new(LONGEST);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// What it came to: everything that could tell is gone, and what it told is in the pipe.
    pub(super) async fn finish(mut self, over: Over, work: Arc<Work>, place: Arc<Place>) -> Finish {
        self.read();
        let Over { ending, status, unconfirmed } = over;
        let mut board = self.board;
        board.settle();
        let exit = status.as_ref().ok().and_then(|status| verdict::exit_code(*status));
        let size = board.stats.size;
        let (declared, dropped) = output::declared(&work, board.given());
        let mut output = output::nothing(exit);
        output.extend(declared);
        let failure = board.failure();
        let judged = spawn_blocking(move || {
            let code = status.as_ref().ok().and_then(std::process::ExitStatus::code);
            let verdict = match (code, failure, size) {
                (Some(0), _, Some(size)) => {
                    let message = format!("the values of set_stats are {size} bytes, expected at most 1048576");
                    Err(Failure::new(failure_code::BAD_OUTPUT, message))
                }
                (Some(0), _, None) => Ok(()),
                (Some(_), Some(failure), _) => Err(failure),
                (Some(code), None, _) => Err(broken(code, &place)),
                (None, _, _) => verdict::of(status, None, || output::last_line(&place)),
            };
            place.remove_scratch();
            verdict
        });
        let verdict = judged.await.unwrap_or_else(|panic| {
            Err(Failure::new(failure_code::BAD_OUTPUT, format!("how it ended cannot be read: {panic}")))
        });
        // What was stopped is judged by who stopped it.
        let verdict = if ending == Ending::Stopped { verdict.or(Ok(())) } else { verdict };
        let items = board.items.into_values().collect();
        Finish { output, dropped, unconfirmed, items, ..Finish::without_output(ending, verdict) }
    }
}

/// Ansible gave up, and no host is the reason.
fn broken(code: i32, place: &Place) -> Failure {
    let said = output::last_lines(place, |line| ERROR.iter().any(|begin| line.starts_with(begin)));
    let said = said
        .map(|text| ERROR.iter().fold(text.as_str(), |text, begin| text.trim_start_matches(begin)).trim().to_owned());
    let message = match said.or_else(|| output::last_line(place)) {
        Some(said) => format!("ansible-playbook gave up with code {code}: {said}"),
        None => format!("ansible-playbook gave up with code {code}, and said nothing"),
    };
    Failure::new(failure_code::PLAYBOOK_FAILED, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn board(lines: &[Value]) -> Board {
        let mut board = Board::default();
        lines.iter().for_each(|line| board.take(line.to_string().as_bytes()));
        board
    }

    fn item(host: &str, status: &str, message: &str) -> Value {
        json!({"item": {"host": host, "status": status, "task": "install", "message": message}})
    }

    #[test]
    fn failed_hosts_are_named_with_task_and_message_and_the_rest_is_counted() {
        let all: Vec<Value> = (0..7).map(|n| item(&format!("web{n}"), "failed", "no disk")).collect();
        let failure = board(&all).failure().unwrap();
        assert_eq!(failure.code, "playbook_failed");
        let first = "7 of 7 hosts failed: `web0` in the task `install`: no disk; `web1` in";
        assert!(failure.message.starts_with(first) && failure.message.ends_with("; and 2 more"), "{failure:?}");
        let mixed = [item("a", "unreachable", "timed out"), item("b", "failed", "no"), item("c", "ok", "")];
        let said = "1 of 3 hosts failed: `b` in the task `install`: no; not reached: `a`: timed out";
        assert_eq!(board(&mixed).failure().unwrap().message, said);
        let failure = board(&mixed[..1]).failure().unwrap();
        assert_eq!(
            (failure.code.as_str(), &*failure.message),
            ("host_unreachable", "1 of 1 host cannot be reached: `a`: timed out")
        );
        assert_eq!(board(&mixed[2..]).failure(), None);
    }

    #[test]
    fn a_failure_that_was_answered_is_none_and_what_ran_is_stopped() {
        let mut board = board(&[
            item("a", "failed", "no"),
            item("b", "running", ""),
            json!({"total": {"host": "a", "counts": {"ok": 1, "rescued": 1}}}),
        ]);
        assert_eq!(board.failure(), None);
        board.settle();
        let statuses: Vec<Status> = board.items.values().map(|item| item.status).collect();
        assert_eq!(statuses, [Status::Rescued, Status::Stopped]);
    }

    #[test]
    fn values_of_everywhere_win_over_those_of_hosts() {
        let stats = json!({"stats": {"everywhere": {"a": 1}, "by_host": {"h": {"a": 2, "b": 3}, "i": {"b": 4}}}});
        assert_eq!(Value::from(board(&[stats]).given()), json!({"a": 1, "b": {"h": 3, "i": 4}}));
    }

    #[test]
    fn hosts_beyond_the_most_are_counted_and_not_kept() {
        let mut all: Vec<Value> = (0..MOST_ITEMS + 5).map(|n| item(&format!("h{n:05}"), "failed", "x")).collect();
        all.extend(
            (0..MOST_ITEMS + 5).map(|n| json!({"total": {"host": format!("h{n:05}"), "counts": {"failed": 1}}})),
        );
        let board = board(&all);
        assert_eq!(board.items.len(), MOST_ITEMS);
        assert!(board.failure().unwrap().message.starts_with("1005 of 1005 hosts failed"));
    }

    #[test]
    fn what_is_no_line_of_ours_is_left_out() {
        let board = board(&[json!(1), json!({"item": {"host": "a"}}), json!({"dance": {}})]);
        assert!(board.items.is_empty());
    }
}
