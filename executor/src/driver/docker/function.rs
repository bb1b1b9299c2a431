//! An image as a function: it listens, is sent the input, and answers with the output.
//!
//! Owns the wait for its port, the one request, and what the answer means. Promises that the container ends with its
//! answer, whatever that is, and that a container which ends first is a failure that says so.

use std::sync::Arc;
use std::time::Duration;

use gorch_schema::{Failure, failure_code};
use reqwest::redirect;
use tokio::time::{sleep, timeout};

use super::engine::name;
use super::{BETWEEN, Containers, Ending, Finish, Job, Seen, TRIES};
use crate::chain::Chain;
use crate::driver::answer::{self, Answer};
use crate::ledger::Place;

/// The largest answer.
const LONGEST: usize = 1024 * 1024;
/// Between two tries to connect: at first, and at most.
const FIRST: Duration = Duration::from_millis(10);
const LAST: Duration = Duration::from_millis(500);

/// Who came first.
enum First {
    Answered(Result<Answer, Failure>),
    Ended(Seen),
    Stopped,
}

impl Containers {
    /// Waits until the function listens, asks it, and stops it.
    pub(super) async fn serve(&self, job: &Job, place: &Arc<Place>, port: u16) -> Finish {
        let name = name(job.work.attempt);
        let mut following = std::pin::pin!(self.follow(&name, place, job.secrets.redactor()));
        let first = tokio::select! {
            biased;
            answered = self.ask(job, &name, port) => First::Answered(answered),
            seen = &mut following => First::Ended(seen),
            () = job.stop.cancelled() => First::Stopped,
        };
        let (ending, said) = match first {
            First::Answered(answered) => (Ending::ByItself, answered),
            First::Stopped => (Ending::Stopped, Err(Failure::new(failure_code::EXECUTOR_LOST, "it was stopped"))),
            First::Ended(seen) => {
                job.start.over();
                return self.ended_first(job, place, seen).await;
            }
        };
        let unconfirmed = self.stop(&name, job.start.grace()).await;
        // What it says while it goes belongs to its log.
        let _ = timeout(BETWEEN * TRIES, following).await;
        job.start.over();
        place.bring_out();
        place.remove_scratch();
        match said {
            Ok(Answer { verdict, output, dropped }) => {
                Finish { output, dropped, unconfirmed, ..Finish::without_output(ending, verdict) }
            }
            Err(failure) => Finish { unconfirmed, ..Finish::without_output(ending, Err(failure)) },
        }
    }

    async fn ended_first(&self, job: &Job, place: &Arc<Place>, seen: Seen) -> Finish {
        let ended = match seen {
            Seen::Ended(ended) => ended,
            Seen::Gone => {
                let failure = Failure::new(failure_code::EXECUTOR_LOST, "the container is gone");
                return Finish::without_output(Ending::ByItself, Err(failure));
            }
            Seen::Unknown(error) => {
                let unconfirmed = vec![format!("the container `{}`", name(job.work.attempt))];
                return Finish { unconfirmed, ..Finish::without_output(Ending::ByItself, Err(error.failure())) };
            }
        };
        let finish = self.read(job, place, ended, Finish::without_output(Ending::ByItself, Ok(()))).await;
        let before = "the function ended before it answered";
        let verdict = match finish.verdict {
            Ok(()) => Failure::new(failure_code::EXIT_NONZERO, format!("{before}: the exit code is 0")),
            Err(failure) => Failure { message: format!("{before}: {}", failure.message), ..failure },
        };
        Finish { verdict: Err(verdict), ..finish }
    }

    async fn ask(&self, job: &Job, name: &str, port: u16) -> Result<Answer, Failure> {
        let address = self.engine.address(name).await.map_err(|error| error.failure())?;
        let Some(address) = address else {
            // It has ended, which is seen elsewhere, or is in a network without addresses, which lasts until a timeout.
            return std::future::pending().await;
        };
        let host = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        let unanswered = |error: reqwest::Error| {
            let message = format!("the function did not answer: {}", Chain(&error));
            Failure::new(failure_code::HOST_UNREACHABLE, message)
        };
        let client = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build();
        let client = client.map_err(unanswered)?;
        let mut wait = FIRST;
        let mut answer = loop {
            let request = client.post(format!("http://{host}/")).header("gorch-attempt", job.work.attempt.to_string());
            match request.json(&job.work.input).send().await {
                // Nobody listens yet: nothing was sent. (No try without a request: it might be the only one taken.)
                Err(error) if error.is_connect() => {
                    sleep(wait).await;
                    wait = (wait * 2).min(LAST);
                }
                answered => break answered.map_err(unanswered)?,
            }
        };
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let error = header("gorch-error-code").filter(|code| !code.is_empty());
        let message = header("gorch-error-message");
        let (status, claims_json) = (answer.status().as_u16(), answer::claims_json(answer.headers()));
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unanswered)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LONGEST {
                let message = format!("the function's answer is larger than {LONGEST} bytes");
                return Err(Failure::new(failure_code::BAD_OUTPUT, message));
            }
        }
        let mut judged = answer::judge(&job.work, status, claims_json, &bytes);
        if let Some(code) = error {
            let message = message.unwrap_or_else(|| "the function said so".to_owned());
            judged.verdict = Err(Failure::new(code, message));
        }
        Ok(judged)
    }
}
