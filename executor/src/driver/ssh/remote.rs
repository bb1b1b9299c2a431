//! What is said to the shell of a host, and what it answers.
//!
//! Owns the scripts that run there and the one way in which text becomes a shell's word. All of it travels over standard
//! input: the command line, which everybody on that host can read, is the same for every attempt. Promises to work in
//! any POSIX shell, and that an attempt begins once: making the folder `begun` is the permission to, and whoever wants
//! it stopped before it began takes that permission away by making it first. Never connects.

use std::fmt::Write;
use std::time::Duration;

use gorch_schema::AttemptId;

use super::super::files::VARIABLE;

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
    /// Secrets that it finds in files, by the variables that name them.
    pub(super) secrets: Vec<(String, String)>,
    pub(super) begins: Begins,
    pub(super) argv: Vec<Word>,
    /// Are values of shell variables among its outputs?
    pub(super) variables: Variables,
}

/// In which folder a job begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// The user's.
    Home,
    /// That of the files which were brought there.
    Files,
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
    if !launch.secrets.is_empty() {
        script.push_str("mkdir \"$d/secrets\"\n");
    }
    for (name, text) in &launch.secrets {
        // On no command line, and exactly: without the line break that ends a text given like this.
        let end = end_of(text);
        let _ = writeln!(script, "head -c {} >\"$d/secrets/{name}\" <<'{end}'\n{text}\n{end}", text.len());
    }
    // From here on the names of variables are the job's: what is needed stands in the positions.
    script.push_str("exec 3<&0 </dev/null\n(\numask \"$u\"\nset -- \"$s\" \"$d\"\n");
    for (name, value) in &launch.exports {
        // A text is written to in memory only.
        let _ = writeln!(script, "export {name}={}", quoted(value));
    }
    for (name, _) in &launch.secrets {
        let _ = writeln!(script, "export {name}=\"$2/secrets/{name}\"");
    }
    if launch.begins == Begins::Files {
        let _ = writeln!(script, "export {VARIABLE}=\"$2/files\"\ncd -- \"$2/files\" || exit");
    }
    // The group is written down by the process that leads it: from then on it can be signalled. Only what a shell does
    // itself may stand here: PATH is the job's by now.
    script.push_str(
        "export GORCH_OUTPUT=\"$2/output\"\n\
         exec ${1:+\"$1\"} /bin/sh -c \
         'echo \"$$\" >\"$0/group\" && [ ! -e \"$0/begun/not\" ] && exec \"$@\"' \"$2\"",
    );
    for word in &launch.argv {
        script.push(' ');
        match word {
            Word::Text(text) => script.push_str(&quoted(text)),
            Word::Artifact => script.push_str("\"$2/artifact\""),
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
rm -rf "$d/secrets"
if [ "$c" = 255 ] || [ -e "$d/output" ] || [ -e "$d/vars" ]; then
  echo "$c" >"$d/status.new" && mv "$d/status.new" "$d/status"
  exit 255
fi
rm -rf "$d"; exit "$c"
"#,
    );
    script
}

/// A line that stands nowhere in the text.
fn end_of(text: &str) -> String {
    let mut end = "END".to_owned();
    while text.contains(&end) {
        end.push('-');
    }
    end
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
nothing() { rm -rf "$d/artifact" "$d/files"; say nothing; exit 0; }
mkdir -p "$d" && mkdir "$d/begun" 2>/dev/null && { : >"$d/begun/not"; nothing; }
[ -e "$d/begun/not" ] && nothing
t=0
until [ -s "$d/status" ] || [ -s "$d/group" ]; do
  [ -d "$d" ] || { say over; exit 0; }
  if [ "$t" -ge 50 ]; then
    # The leader looks for this mark after it has written the group: one of both sees the other.
    : >"$d/begun/not"
    [ -s "$d/group" ] || nothing
  fi
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
# What a job has left there that cannot be removed is no reason not to be heard.
rm -rf "$d" 2>/dev/null || :
"#,
            most = LARGEST + 1
        );
    }
    script
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
pub(super) fn known(attempt: AttemptId) -> String {
    format!("d=$HOME/.gorch/{attempt}\nsay() {{ echo \"gorch {attempt} $1\"; }}\n")
}

/// The end of the process group `$g`: TERM, grace, KILL; false if it does not come. A group of which only dead processes
/// are left, which their parent does not care for (in containers, often the first process), is over.
fn ends(grace: Duration) -> String {
    let ticks = grace.as_millis().div_ceil(100);
    format!(
        r#"
pause() {{ sleep 0.1 2>/dev/null || {{ sleep 1; t=$((t + 9)); }}; t=$((t + 1)); }}
over() {{
  kill -s 0 -- "-$g" 2>/dev/null || return 0
  ps -A -o pgid= -o stat= 2>/dev/null | (
    dead=
    while read -r p s; do
      [ "$p" = "$g" ] || continue
      case $s in Z*) dead=yes ;; *) exit 1 ;; esac
    done
    [ -n "$dead" ]
  )
}}
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
pub(super) fn said(attempt: AttemptId, answer: &[u8]) -> Option<(&str, &[u8])> {
    let mark = format!("gorch {attempt} ");
    let at = answer.windows(mark.len()).position(|window| window == mark.as_bytes())?;
    first_line(answer.get(at + mark.len()..)?)
}

fn first_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    use gorch_schema::{AttemptKey, NodeId, StepId};

    const SHELLS: [&str; 4] = ["/bin/dash", "/bin/bash", "/usr/bin/ksh", "/usr/bin/mksh"];

    /// A host whose every shell is this one.
    pub(in super::super) struct Host {
        folder: tempfile::TempDir,
        pub(in super::super) shell: &'static str,
    }

    impl Host {
        pub(in super::super) fn all() -> impl Iterator<Item = Host> {
            let is_there = |shell: &&str| Path::new(shell).exists();
            assert!(
                SHELLS.iter().filter(|shell| is_there(shell)).count() >= 3,
                "install ksh (Debian: apt-get install ksh)"
            );
            SHELLS.into_iter().filter(is_there).map(|shell| {
                let folder = tempfile::tempdir().unwrap();
                std::fs::create_dir(folder.path().join("bin")).unwrap();
                symlink(shell, folder.path().join("bin/sh")).unwrap();
                Host { folder, shell }
            })
        }

        pub(in super::super) fn path(&self, name: &str) -> std::path::PathBuf {
            self.folder.path().join(".gorch").join(attempt().to_string()).join(name)
        }

        fn command(&self) -> Command {
            let mut command = Command::new(self.shell);
            command.args(["-c", COMMAND]).env_clear().env("HOME", self.folder.path());
            command.env("PATH", format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display()));
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        }

        fn start(&self, script: &str, input: &[u8]) -> std::process::Child {
            use std::io::Write;
            let mut child = self.command().spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(&[&line(script), input].concat()).unwrap();
            child
        }

        pub(in super::super) fn say(&self, script: &str, input: &[u8]) -> Output {
            self.start(script, input).wait_with_output().unwrap()
        }

        fn look(&self, wanted: Look) -> Seen {
            let answer = self.say(&look(attempt(), wanted, Duration::from_millis(300)), b"");
            seen(attempt(), &answer.stdout).unwrap_or_else(|| panic!("{}: {answer:?}", self.shell))
        }
    }

    pub(in super::super) fn attempt() -> AttemptId {
        let step = StepId { node: NodeId(1), visit: 0 };
        AttemptKey { step, item: 0, attempt: 1 }.of("0123456789abcdef0123456789abcdef".parse().unwrap())
    }

    fn launch(words: &[&str], exports: &[(&str, &str)]) -> String {
        let argv = words.iter().map(|word| Word::Text((*word).to_owned())).collect();
        let exports = exports.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        run(
            attempt(),
            &Launch { secrets: Vec::new(), begins: Begins::Home, exports, argv, variables: Variables::None },
            Duration::from_millis(300),
        )
    }

    /// All bytes but NUL that a text can have, and many texts of those that mean something to a shell.
    fn texts() -> Vec<String> {
        let mut texts = vec![(1..=255).map(|code| char::from(code as u8)).collect::<String>()];
        let signs: Vec<char> = "'\"\\$`\n\r\t !#&*()[]{}<>|;~=%^?-na0é☃\u{81}\u{88}\u{1}\u{7f}".chars().collect();
        let mut seed = 7_u64;
        texts.extend((0..300).map(|_| {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(seed >> 33).unwrap()
            };
            (0..next() % 12).map(|_| signs[next() % signs.len()]).collect::<String>()
        }));
        texts
    }

    #[test]
    fn every_text_is_one_word_of_every_shell() {
        let texts = texts();
        let words: Vec<&str> =
            ["/usr/bin/printf", "%s\\0"].into_iter().chain(texts.iter().map(String::as_str)).collect();
        let all = texts.concat();
        for host in Host::all() {
            let said = host.say(&launch(&words, &[]), b"");
            assert_eq!(String::from_utf8_lossy(&said.stdout), texts.join("\0") + "\0", "{}: {said:?}", host.shell);
            let said =
                host.say(&launch(&["/usr/bin/printenv", "A"], &[("A", &all), ("IFS", "a"), ("PATH", "/none")]), b"");
            assert_eq!(String::from_utf8_lossy(&said.stdout), format!("{all}\n"), "{}", host.shell);
            assert!(said.stderr.is_empty() && !host.path("begun").exists(), "{}: {said:?}", host.shell);
        }
    }

    #[test]
    fn a_job_reads_what_follows_the_script_and_its_code_is_the_scripts() {
        for host in Host::all() {
            let said = host.say(&launch(&["sh", "-c", "cat; umask | tail -c 4; kill -9 $$"], &[]), b"in\0put\n");
            assert_eq!((said.status.code(), &said.stdout[..]), (Some(137), &b"in\0put\n022\n"[..]), "{}", host.shell);
            assert!(said.stderr.is_empty(), "{}: {said:?}", host.shell);
            for (script, code) in [("exit 255", 255), ("echo a=1 >$GORCH_OUTPUT; exit 3", 3)] {
                let said = host.say(&launch(&["sh", "-c", script], &[]), b"");
                assert_eq!(said.status.code(), Some(255), "{}", host.shell);
                let seen = host.look(Look::Fetch);
                let output = (code == 3).then(|| b"a=1\n".to_vec());
                let wanted = Seen { standing: Standing::Over, status: Some(code), output, variables: Vec::new() };
                assert_eq!(seen, wanted, "{}", host.shell);
                assert!(!host.path("begun").exists());
            }
        }
    }

    #[test]
    fn what_was_stopped_before_it_began_never_begins() {
        for host in Host::all() {
            let answer = host.say(&super::super::upload::artifact(attempt()), b"text");
            assert_eq!(super::super::upload::taken(attempt(), &answer.stdout), Ok(()), "{}", host.shell);
            assert_eq!(std::fs::read(host.path("artifact")).unwrap(), b"text");
            assert_eq!(host.look(Look::Stop).standing, Standing::Nothing);
            assert_eq!(host.look(Look::Fetch).standing, Standing::Nothing, "{}", host.shell);
            let said = host.say(&launch(&["echo", "late"], &[]), b"");
            assert_eq!((said.status.code(), said.stdout.len()), (Some(255), 0), "{}: {said:?}", host.shell);
            assert!(!host.path("begun").exists(), "the mark goes with whoever it was for");
        }
    }

    #[test]
    fn a_look_ends_a_group_that_ignores_term_and_says_so_once() {
        for host in Host::all() {
            let mark = format!("77{}", std::process::id());
            let job = format!("trap '' TERM; sleep {mark} & echo here; wait");
            let mut child = host.start(&launch(&["sh", "-c", &job], &[]), b"");
            let mut here = [0; 5];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut here).unwrap();
            let group = std::fs::read_to_string(host.path("group")).unwrap().trim().to_owned();
            assert_eq!(host.look(Look::Stop).standing, Standing::Stopped(group.clone()), "{}", host.shell);
            assert_eq!(child.wait().unwrap().code(), Some(137), "{}", host.shell);
            let living = Command::new("pgrep").args(["-f", &mark]).output().unwrap();
            assert!(living.stdout.is_empty(), "{}: {living:?}", host.shell);
        }
    }

    #[test]
    fn a_dead_process_that_nobody_buries_is_over() {
        use std::os::unix::process::CommandExt;
        for host in Host::all() {
            let mut unburied = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
            std::fs::create_dir_all(host.path("begun")).unwrap();
            std::fs::write(host.path("group"), format!("{}\n", unburied.id())).unwrap();
            assert_eq!(host.look(Look::Stop).standing, Standing::Stopped(unburied.id().to_string()), "{}", host.shell);
            assert_eq!(host.look(Look::Fetch).standing, Standing::Over, "{}", host.shell);
            unburied.wait().unwrap();
        }
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let said = |text: &str| seen(attempt(), format!("welcome!\ngorch {} {text}", attempt()).as_bytes());
        let whole = said("over\nstatus 2\n3\noutput 4\na=1\n=key 3\na\nb").unwrap();
        assert_eq!((whole.status, whole.output.unwrap().len()), (Some(3), 4));
        assert_eq!(whole.variables, [("key".to_owned(), b"a\nb".to_vec())]);
        assert_eq!(said("stuck 7\n").unwrap().standing, Standing::Stuck("7".to_owned()));
        for text in ["over", "over\nstatus 2\n3", "what\n", "over\nfile 1\nx"] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
