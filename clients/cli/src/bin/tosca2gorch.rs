//! `tosca2gorch`: the first converter's command line.
//!
//! Owns its options, which take one dash or two: `-t` or `-tosca` and `-i` or `-input`. The graph goes to stdout, what
//! should be known to stderr. Everything else is `gorch convert`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use gorch_tosca::{Inputs, Options, convert};

const USAGE: &str = "\
Usage: tosca2gorch -t TEMPLATE [-i INPUTS]

  -t, -tosca TEMPLATE  a TOSCA template, a CSAR, or a folder with one
  -i, -input INPUTS    a YAML or JSON file: NAME: VALUE, or NAME: {value: VALUE}

Prints a gorch document. `gorch convert` does the same, and knows more.
";

fn main() -> ExitCode {
    let asked = match read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprint!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Asked::Convert { template, inputs } = asked else {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    };
    let options = Options { inputs: inputs.into_iter().map(Inputs::File).collect(), ..Options::default() };
    match convert(&template, &options, &|_, file| format!("file:{file}")) {
        Ok(converted) => {
            converted.told.warnings.iter().for_each(|warning| eprint!("{warning}"));
            // Whoever reads no further has read enough.
            let _ = std::io::stdout().write_all(converted.document.as_bytes());
            ExitCode::SUCCESS
        }
        Err(told) => {
            eprint!("{told}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Help,
    Convert { template: PathBuf, inputs: Option<PathBuf> },
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let (mut template, mut inputs) = (None, None);
    while let Some(word) = words.next() {
        let option = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or_default();
        let (option, joined) = match option.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (option, None),
        };
        let place = match option {
            "t" | "tosca" => &mut template,
            "i" | "input" => &mut inputs,
            "h" | "help" => return Ok(Asked::Help),
            _ => return Err(format!("`{word}` is no option")),
        };
        *place = Some(PathBuf::from(joined.or_else(|| words.next()).ok_or(format!("`{word}` needs a file"))?));
    }
    Ok(Asked::Convert { template: template.ok_or("a template is needed")?, inputs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        read(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn an_option_has_one_dash_or_two_and_a_long_name_or_a_short_one() {
        let same = Ok(Asked::Convert { template: "a.yaml".into(), inputs: Some("b.yaml".into()) });
        for line in ["-t a.yaml -i b.yaml", "--tosca a.yaml --input b.yaml", "-input=b.yaml -tosca=a.yaml"] {
            assert_eq!(asked(line), same, "{line}");
        }
        assert_eq!(asked("-h"), Ok(Asked::Help));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        assert_eq!(asked("-i b.yaml").unwrap_err(), "a template is needed");
        assert_eq!(asked("-t").unwrap_err(), "`-t` needs a file");
        assert_eq!(asked("-t a.yaml b.yaml").unwrap_err(), "`b.yaml` is no option");
    }
}
