//! What is said to the shell of a host, and what it answers.
//!
//! Owns the scripts that run there and the one way in which text becomes a shell's word. All of it travels over standard
//! input: the command line, which everybody on that host can read, is the same for every attempt. Promises to work in
//! any POSIX shell, and that an attempt begins once: making the folder `begun` is the permission to, and whoever wants
//! it stopped before it began takes that permission away by making it first. Never connects.

use std::fmt::Write;
use std::time::Duration;

use gorch_schema::AttemptId;

/// The command line: reads a line from standard input, which is a script as [`line`] writes it, and becomes it. It has
/// no newline and no `!`, so that it is one word in the shells that are not POSIX's, too.
pub(super) const COMMAND: &str = r#"exec sh -c 'n=$(printf "\012.");n=${n%.};IFS= read -r s&&eval "s=$s"&&eval "$s"'"#;

/// What begins the last line on standard error where a job could not be begun.
pub(super) const TROUBLE: &str = "gorch: ";

/// More than this of one file is never brought here.
pub(super) const LARGEST: usize = 1 << 20;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Text(String),
    /// The file that was brought there.
    Artifact,
}

/// A job, as the host's shell is told.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) exports: Vec<(String, String)>,
    pub(super) argv: Vec<Word>,
    /// Are values of shell variables among its outputs?
    pub(super) variables: Variables,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    None,
    Told,
}

/// What is wanted of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Its end.
    Stop,
    /// Its end and what it left, which is removed there.
    Fetch,
}

/// What was seen of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is there, and it can begin no more.
    Nothing,
    /// It was over.
    Over,
    /// Its process group was there, and was stopped.
    Stopped(String),
    /// Its process group does not end.
    Stuck(String),
}

/// An answer to a [`Look`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) standing: Standing,
    /// How the job ended, as shells count.
    pub(super) status: Option<i64>,
    /// What it wrote to `$GORCH_OUTPUT`.
    pub(super) output: Option<Vec<u8>>,
    /// The values of its variables, by their names.
    pub(super) variables: Vec<(String, Vec<u8>)>,
}

/// A text as one word of a POSIX shell, whatever stands in it but NUL.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Can a shell have a variable of this name?
pub(super) fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A script as [`COMMAND`] reads it: one line.
pub(super) fn line(script: &str) -> Vec<u8> {
    let mut line = quoted(script).replace('\n', "'\"$n\"'");
    line.push('\n');
    line.into_bytes()
}

/// Takes a file from standard input, and says so.
pub(super) fn upload(attempt: AttemptId) -> String {
    format!(
        "{}umask 077; mkdir -p \"$d\" && cat >\"$d/artifact\" && chmod 700 \"$d/artifact\" && say whole\n",
        known(attempt)
    )
}

/// Runs a job in a process group of its own. Its code becomes the script's, and nothing is left there; but if there is
/// something to fetch, or the code is the one with which `ssh` itself fails: then the code is 255, and the rest is told
/// to whoever looks.
pub(super) fn run(attempt: AttemptId, launch: &Launch, grace: Duration) -> String {
    let mut script = known(attempt);
    script.push_str(&ends(grace));
    script.push_str(
        r#"
u=$(umask); umask 077
no() { echo "gorch: $1" >&2; exit 255; }
mkdir -p "$d" || no "the folder $d cannot be made"
mkdir "$d/begun" 2>/dev/null || { rm -rf "$d"; exit 255; }
s=$(command -v setsid) || {
  s=; set -m
  case $- in *m*) ;; *) rm -rf "$d"; no "neither \`setsid\` nor job control is there";; esac
}
"#,
    );
    if launch.variables == Variables::Told {
        script.push_str("mkdir \"$d/vars\"\n");
    }
    script.push_str("exec 3<&0 </dev/null\n(\numask \"$u\"\n");
    for (name, value) in &launch.exports {
        // A text is written to in memory only.
        let _ = writeln!(script, "export {name}={}", quoted(value));
    }
    // The group is written down by the process that leads it: from then on it can be signalled. Only what a shell does
    // itself may stand here: PATH is the job's by now.
    script.push_str(
        "export GORCH_OUTPUT=\"$d/output\"\n\
         exec ${s:+\"$s\"} /bin/sh -c 'echo \"$$\" >\"$0/group\" && exec \"$@\"' \"$d\"",
    );
    for word in &launch.argv {
        script.push(' ');
        match word {
            Word::Text(text) => script.push_str(&quoted(text)),
            Word::Artifact => script.push_str("\"$d/artifact\""),
        }
    }
    // Some shells tell on standard error how a child ended: that is not the job's.
    script.push_str(
        r#" <&3 3<&-
) &
j=$!
exec 3<&- 2>/dev/null
wait "$j"; c=$?
[ "$c" -gt 256 ] && c=$((c - 128))
g=; [ -s "$d/group" ] && read -r g <"$d/group" && end
if [ "$c" = 255 ] || [ -e "$d/output" ] || [ -e "$d/vars" ]; then
  echo "$c" >"$d/status.new" && mv "$d/status.new" "$d/status"
  exit 255
fi
rm -rf "$d"; exit "$c"
"#,
    );
    script
}

/// Ends an attempt, if it is not over, and says how it stands.
pub(super) fn look(attempt: AttemptId, look: Look, grace: Duration) -> String {
    let mut script = known(attempt);
    script.push_str(&ends(grace));
    // Marks of attempts that never came are of no use after a day.
    script.push_str(
        r#"
umask 077
find "$HOME/.gorch" -name not -type f -mtime +0 2>/dev/null | while IFS= read -r f; do rm -rf "${f%/begun/not}"; done
nothing() { rm -f "$d/artifact"; say nothing; exit 0; }
mkdir -p "$d" && mkdir "$d/begun" 2>/dev/null && { : >"$d/begun/not"; nothing; }
[ -e "$d/begun/not" ] && nothing
t=0
until [ -s "$d/status" ] || [ -s "$d/group" ]; do
  [ -d "$d" ] || { say over; exit 0; }
  [ "$t" -lt 50 ] || { : >"$d/begun/not"; nothing; }
  pause
done
was=over
if [ ! -s "$d/status" ]; then
  read -r g <"$d/group"
  over || was="stopped $g"
  end || { say "stuck $g"; exit 0; }
  t=0
  until [ -s "$d/status" ] || [ ! -d "$d/begun" ] || [ "$t" -ge 20 ]; do pause; done
fi
say "$was"
"#,
    );
    if look == Look::Fetch {
        let _ = write!(
            script,
            r#"
send() {{
  [ -f "$2" ] && [ ! -h "$2" ] || return 0
  z=$(($(wc -c <"$2")))
  [ "$z" -gt {most} ] && z={most}
  echo "$1 $z"
  dd bs={most} count=1 <"$2" 2>/dev/null
}}
send status "$d/status"
send output "$d/output"
for f in "$d"/vars/*; do send "=${{f##*/}}" "$f"; done
rm -rf "$d"
"#,
            most = LARGEST + 1
        );
    }
    script
}

/// Did the host say that it has the whole file?
pub(super) fn is_whole(attempt: AttemptId, answer: &[u8]) -> bool {
    said(attempt, answer).is_some_and(|(words, _)| words == "whole")
}

/// Reads the answer to a look; `None` if it is none, or not all of one.
pub(super) fn seen(attempt: AttemptId, answer: &[u8]) -> Option<Seen> {
    let (words, mut rest) = said(attempt, answer)?;
    let standing = match words.split_once(' ') {
        None if words == "nothing" => Standing::Nothing,
        None if words == "over" => Standing::Over,
        Some(("stopped", group)) => Standing::Stopped(group.to_owned()),
        Some(("stuck", group)) => Standing::Stuck(group.to_owned()),
        None | Some(_) => return None,
    };
    let mut seen = Seen { standing, status: None, output: None, variables: Vec::new() };
    while !rest.is_empty() {
        let (head, after) = first_line(rest)?;
        let (name, length) = head.split_once(' ')?;
        let (bytes, after) = after.split_at_checked(length.parse().ok()?)?;
        match (name, name.strip_prefix('=')) {
            ("status", _) => seen.status = Some(std::str::from_utf8(bytes).ok()?.trim().parse().ok()?),
            ("output", _) => seen.output = Some(bytes.to_owned()),
            (_, Some(name)) => seen.variables.push((name.to_owned(), bytes.to_owned())),
            (_, None) => return None,
        }
        rest = after;
    }
    Some(seen)
}

/// What both ends know of an attempt, and how this one speaks.
fn known(attempt: AttemptId) -> String {
    format!("d=$HOME/.gorch/{attempt}\nsay() {{ echo \"gorch {attempt} $1\"; }}\n")
}

/// The end of the process group `$g`: TERM, grace, KILL; false if it does not come.
fn ends(grace: Duration) -> String {
    let ticks = grace.as_millis().div_ceil(100);
    format!(
        r#"
pause() {{ sleep 0.1 2>/dev/null || {{ sleep 1; t=$((t + 9)); }}; t=$((t + 1)); }}
over() {{ ! kill -s 0 -- "-$g" 2>/dev/null; }}
end() {{
  over && return 0
  kill -s TERM -- "-$g" 2>/dev/null
  kill -s CONT -- "-$g" 2>/dev/null
  t=0
  until over; do
    [ "$t" -lt {ticks} ] || kill -s KILL -- "-$g" 2>/dev/null
    [ "$t" -lt {most} ] || return 1
    pause
  done
}}
"#,
        most = ticks + 50
    )
}

/// Our words, wherever they begin: what a login says comes before them.
fn said(attempt: AttemptId, answer: &[u8]) -> Option<(&str, &[u8])> {
    let mark = format!("gorch {attempt} ");
    let at = answer.windows(mark.len()).position(|window| window == mark.as_bytes())?;
    first_line(answer.get(at + mark.len()..)?)
}

fn first_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}
