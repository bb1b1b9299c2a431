//! Throw-away.
use std::io::BufRead;
fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let path = line.clone();
        let begin = std::time::Instant::now();
        let out = std::panic::catch_unwind(|| {
            gorch_tosca::check(
                std::path::Path::new(&path),
                if std::env::var_os("WHOLE").is_some() { gorch_tosca::Whole::Whole } else { gorch_tosca::Whole::Part },
            )
        });
        let took = begin.elapsed().as_millis();
        match out {
            Ok(Ok(told)) => println!(
                "@@ {line}\taccept\t{took}\n{}",
                told.warnings
                    .iter()
                    .map(|w| format!("   W {}: {} [{}]\n", w.at, w.message, w.rule))
                    .collect::<String>()
            ),
            Ok(Err(told)) => println!(
                "@@ {line}\treject\t{took}\n{}",
                told.errors
                    .iter()
                    .chain(&told.warnings)
                    .map(|w| format!("   E {}: {} [{}]\n", w.at, w.message, w.rule))
                    .collect::<String>()
            ),
            Err(_) => println!("@@ {line}\tpanic\t{took}"),
        }
    }
}
