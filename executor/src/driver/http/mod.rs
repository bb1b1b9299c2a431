//! Requests over HTTP: the artifact is a URL, the input is sent as JSON, the answer is the output.
//!
//! Owns the request and what its answer means. Promises bounded memory and time whatever the server does: an answer
//! has a largest size, a connection that does not come about ends by itself, and a stop ends the request at once. The
//! answer's body is the job's standard output as it comes; a line about it goes to standard error. Never sends to an
//! address that [`reach`] forbids, and never from `https` back to `http`.

mod reach;

use std::error::Error as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use gorch_schema::work::Work;
use gorch_schema::{Failure, failure_code};
use reqwest::{Certificate, Client, Method, Url, redirect};
use tokio::sync::OnceCell;

use super::allowed::{self, Pattern};
use super::answer::{self, Answer};
use super::{Driver, Ending, Entry, Finish, Job, Outlives};
use crate::chain::Chain;
use crate::secrets::Sink;
use reach::{Forbidden, Guard};

pub use reach::{NoReach, Reach};

/// The row of the table of drivers.
pub(super) const ENTRY: Entry = Entry {
    name: "http",
    make: |settings| Arc::new(Http::new(&settings.http)),
    is_here: |_| true,
    outlives: Outlives::Nothing,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);
/// Redirects that are followed.
const REDIRECTS: usize = 10;

/// What the executor's configuration says of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// URLs that may be asked; none listed means all.
    pub urls: Vec<Pattern>,
    /// Near addresses that may be reached.
    pub allow: Vec<Reach>,
    /// A file of certificates (PEM) that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// Bytes of an answer that are read at most.
    pub limit: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { urls: Vec::new(), allow: Vec::new(), ca: None, limit: 1024 * 1024 }
    }
}

struct Http {
    policy: Policy,
    guard: Guard,
    /// Made with the first request: it reads the system's roots.
    client: OnceCell<Client>,
}

impl Http {
    fn new(policy: &Policy) -> Self {
        Http { guard: Guard::new(&policy.allow), policy: policy.clone(), client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, Failure> {
        let failed = |cause: String| Failure::new(failure_code::SPAWN_FAILED, cause);
        let make = async || {
            let mut certificates = Vec::new();
            if let Some(path) = &self.policy.ca {
                let read = tokio::fs::read(path).await;
                let pem = read.map_err(|error| failed(format!("`{}` cannot be read: {error}", path.display())))?;
                certificates = Certificate::from_pem_bundle(&pem).map_err(|error| {
                    failed(format!("`{}` holds no certificates: {}", path.display(), Chain(&error)))
                })?;
            }
            let (guard, urls) = (self.guard.clone(), self.policy.urls.clone());
            let follow = redirect::Policy::custom(move |attempt| {
                let leaves_tls = attempt.previous().last().is_some_and(|last| last.scheme() == "https");
                if attempt.previous().len() > REDIRECTS {
                    attempt.error(format!("more than {REDIRECTS} redirects"))
                } else if attempt.url().scheme() != "https" && leaves_tls {
                    attempt.error("a redirect from https to http")
                } else if let Err(error) = allowed::check("URL", "http_url", &urls, attempt.url().as_str()) {
                    attempt.error(error)
                } else if let Err(forbidden) = guard.judge(attempt.url()) {
                    attempt.error(forbidden)
                } else {
                    attempt.follow()
                }
            });
            Client::builder()
                .user_agent(concat!("gorch/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .redirect(follow)
                .dns_resolver(Arc::new(self.guard.clone()))
                .connect_timeout(CONNECT)
                .tls_certs_merge(certificates)
                .build()
                .map_err(|error| failed(format!("no client for HTTP can be made: {}", Chain(&error))))
        };
        self.client.get_or_try_init(make).await
    }

    async fn to_the_end(&self, job: Job) -> Finish {
        if job.stop.is_cancelled() {
            return Finish::without_output(Ending::Stopped, Ok(()));
        }
        let stop = job.stop.clone();
        tokio::select! {
            biased;
            answer = self.answer(&job) => match answer {
                Ok(Answer { verdict, output, dropped }) => {
                    Finish { output, dropped, ..Finish::without_output(Ending::ByItself, verdict) }
                }
                Err(failure) => Finish::without_output(Ending::ByItself, Err(failure)),
            },
            () = stop.cancelled() => Finish::without_output(Ending::Stopped, Ok(())),
        }
    }

    async fn answer(&self, job: &Job) -> Result<Answer, Failure> {
        let work = &job.work;
        let refused = |message: String| Failure::new(failure_code::REFUSED, message);
        if !job.secrets.files().is_empty() {
            return Err(refused("a request has no files: give its secrets as variables, for its headers".to_owned()));
        }
        let url = url(work).map_err(refused)?;
        allowed::check("URL", "http_url", &self.policy.urls, url.as_str())
            .map_err(|error| refused(error.to_string()))?;
        self.guard.judge(&url).map_err(|forbidden| refused(forbidden.to_string()))?;
        let request = self.request(work, url.clone()).await?;

        let unwritten = |error: &dyn std::error::Error| {
            Failure::new(failure_code::SPAWN_FAILED, format!("the job's files cannot be written: {}", Chain(error)))
        };
        let place = job.start.place().map_err(|error| unwritten(&error))?;
        let (body, mut about) = place.to_inherit().map_err(|error| unwritten(&error))?;
        let mut body = Sink::new(body, job.secrets.redactor());
        let since = job.start.starting(&place).map_err(|error| unwritten(&error))?;
        job.start.started(since, None);

        let began = Instant::now();
        let mut answer = request.send().await.map_err(|error| self.unanswered(&url, &error))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unanswered(&url, &error))? {
            bytes.extend_from_slice(&chunk);
            body.write_all(&chunk).map_err(|error| unwritten(&error))?;
            if bytes.len() as u64 > self.policy.limit {
                let message = format!("the answer is larger than {} bytes (`http_limit`)", self.policy.limit);
                return Err(Failure::new(failure_code::BAD_OUTPUT, message));
            }
        }
        body.end().map_err(|error| unwritten(&error))?;
        let took = began.elapsed().as_millis();
        let said = format!("{} {} -> {status}, {} bytes, {took} ms\n", method(work), answer.url(), bytes.len());
        about.write_all(said.as_bytes()).map_err(|error| unwritten(&error))?;
        Ok(answer::judge(work, status.as_u16(), answer::claims_json(answer.headers()), &bytes))
    }

    async fn request(&self, work: &Work, url: Url) -> Result<reqwest::RequestBuilder, Failure> {
        let mut request = self.client().await?.request(method(work), url);
        request =
            request.header("accept", "application/json, */*;q=0.5").header("gorch-attempt", work.attempt.to_string());
        if !work.input.is_null() {
            request = request.json(&work.input);
        }
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in &work.settings.headers {
            let pair = reqwest::header::HeaderName::try_from(name).ok().zip(value.parse().ok());
            let (name, value) = pair.ok_or_else(|| {
                // The value may be a secret.
                Failure::new(failure_code::REFUSED, format!("the header `{name}` has a value that cannot be sent"))
            })?;
            headers.insert(name, value);
        }
        Ok(request.headers(headers))
    }

    fn unanswered(&self, url: &Url, error: &reqwest::Error) -> Failure {
        if let Some(forbidden) = causes(error).find_map(|cause| cause.downcast_ref::<Forbidden>()) {
            return Failure::new(failure_code::REFUSED, forbidden.to_string());
        }
        let cause = causes(error).last().map_or_else(|| error.to_string(), ToString::to_string);
        let host = url.host_str().unwrap_or_default();
        if error.is_redirect() {
            return Failure::new(failure_code::REFUSED, format!("`{host}` answered with a redirect: {cause}"));
        }
        let what = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        Failure::new(failure_code::HOST_UNREACHABLE, format!("`{host}` {what}: {cause}"))
    }
}

impl Driver for Http {
    fn run(&self, job: Job) -> BoxFuture<'_, Finish> {
        self.to_the_end(job).boxed()
    }
}

/// Everything behind an error, the nearest first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// The artifact, with the arguments as its query: `k=v`, or a word alone.
fn url(work: &Work) -> Result<Url, String> {
    let mut url = Url::parse(&work.artifact).map_err(|error| format!("`{}` is no URL: {error}", work.artifact))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{url}` has the scheme `{}`, expected http or https", url.scheme()));
    }
    if !work.args.is_empty() {
        let mut query = url.query_pairs_mut();
        for arg in &work.args {
            match arg.split_once('=') {
                Some((key, value)) => query.append_pair(key, value),
                None => query.append_key_only(arg),
            };
        }
    }
    Ok(url)
}

fn method(work: &Work) -> Method {
    let given = work.settings.method.as_deref().and_then(|method| method.parse().ok());
    given.unwrap_or(if work.input.is_null() { Method::GET } else { Method::POST })
}
