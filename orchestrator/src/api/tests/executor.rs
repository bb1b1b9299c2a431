//! An executor of the tests: it takes attempts over mutual TLS and does with them what the test says, when it says it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use gorch_certs::{Credentials, Standing, Watch};
use gorch_schema::work::{AttemptState, Excerpt, HeldAttempt, Logs, Report, Work};
use gorch_schema::{AttemptId, AttemptResult, Timestamp};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::Filter;
use warp::reply::Response;

use super::stand::{Stand, by, executor};
use crate::api::reply;

#[derive(Debug, Clone, Default)]
struct Job {
    node: String,
    written: String,
    ended: Option<AttemptResult>,
    forgotten: bool,
}

impl Job {
    fn state(&self) -> AttemptState {
        match &self.ended {
            None => AttemptState::Running { since: Timestamp::from_millis(1) },
            Some(result) => AttemptState::Ended(Box::new(Report {
                result: result.clone(),
                started: None,
                ended: Timestamp::from_millis(2),
                logs: Logs {
                    stdout: Excerpt { head: self.written.clone(), ..Excerpt::default() },
                    stderr: Excerpt::default(),
                },
                unconfirmed: Vec::new(),
            })),
        }
    }
}

#[derive(Clone)]
pub(super) struct Fake {
    jobs: Arc<Mutex<HashMap<AttemptId, Job>>>,
    news: watch::Sender<()>,
    _stop: Arc<DropGuard>,
}

impl Fake {
    /// Listens, and registers with this name, these labels and so many slots.
    pub(super) async fn register(stand: &Stand, name: &str, slots: u32) -> Self {
        let (credentials, _) = Credentials::for_executor(stand.folder.path(), name).unwrap();
        let watch = Watch::fixed(Standing::of(credentials).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let fake =
            Fake { jobs: Arc::default(), news: watch::Sender::new(()), _stop: Arc::new(stop.clone().drop_guard()) };
        let log = slog::Logger::root(slog::Discard, slog::o!());
        tokio::spawn(gorch_certs::serve(listener, watch, fake.routes(), stop, log));
        let body = json!({"url": url, "engines": ["shell"], "slots": slots, "boot": "1"});
        let request = by(&executor(name)).method("PUT").path(&format!("/v1/executors/{name}")).json(&body);
        let answer = stand.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        fake
    }

    /// The attempt of this node writes something.
    pub(super) fn write(&self, node: &str, text: &str) {
        self.with(node, |job| job.written.push_str(text));
    }

    /// The attempt of this node ends.
    pub(super) fn end(&self, node: &str, result: &AttemptResult) {
        self.with(node, |job| job.ended = Some(result.clone()));
    }

    fn with(&self, node: &str, change: impl FnOnce(&mut Job)) {
        let mut jobs = self.jobs.lock().unwrap();
        change(jobs.values_mut().find(|job| job.node == node && job.ended.is_none()).expect("the node is here"));
        self.news.send_replace(());
    }

    /// Waits until the node is here.
    pub(super) async fn has(&self, node: &str) {
        let mut news = self.news.subscribe();
        let here = async {
            while !self.jobs.lock().unwrap().values().any(|job| job.node == node) {
                news.changed().await.unwrap();
            }
        };
        tokio::time::timeout(super::stand::PATIENCE, here).await.expect("the node in time");
    }

    fn routes(&self) -> impl Filter<Extract = (Response,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
        let (fake, put) = (self.clone(), self.clone());
        let put = warp::path!("v1" / "attempts" / AttemptId).and(warp::put()).and(warp::body::json()).map(
            move |id: AttemptId, work: Work| {
                let job = Job { node: work.node, ..Job::default() };
                let state = put.jobs.lock().unwrap().entry(id).or_insert(job).state();
                put.news.send_replace(());
                reply::json(&state)
            },
        );
        let get = fake.clone();
        let get = warp::path!("v1" / "attempts" / AttemptId).and(warp::get()).then(move |id| get.clone().wait(id));
        let delete = fake.clone();
        let delete = warp::path!("v1" / "attempts" / AttemptId).and(warp::delete()).map(move |id: AttemptId| {
            if let Some(job) = delete.jobs.lock().unwrap().get_mut(&id) {
                job.ended.get_or_insert(AttemptResult::cancelled());
            }
            delete.news.send_replace(());
            reply::json(&json!({}))
        });
        let ack = fake.clone();
        let ack = warp::path!("v1" / "attempts" / AttemptId / "ack").and(warp::post()).map(move |id: AttemptId| {
            // Whoever reads its log already has the file open.
            if let Some(job) = ack.jobs.lock().unwrap().get_mut(&id) {
                job.forgotten = true;
            }
            reply::json(&json!({}))
        });
        let list = fake.clone();
        let list = warp::path!("v1" / "attempts").and(warp::get()).map(move || {
            let jobs = list.jobs.lock().unwrap();
            let jobs = jobs.iter().filter(|(_, job)| !job.forgotten);
            let held = jobs.map(|(id, job)| HeldAttempt { id: *id, state: job.state() });
            reply::json(&held.collect::<Vec<_>>())
        });
        let logs = warp::path!("v1" / "attempts" / AttemptId / "logs")
            .and(warp::get())
            .and(warp::query::<HashMap<String, String>>())
            .map(move |id, query: HashMap<String, String>| fake.logs(id, &query));
        put.or(get).unify().or(delete).unify().or(ack).unify().or(list).unify().or(logs).unify()
    }

    async fn wait(self, id: AttemptId) -> Response {
        let mut news = self.news.subscribe();
        loop {
            let state = self.jobs.lock().unwrap().get(&id).map(Job::state);
            match state {
                Some(state @ AttemptState::Ended(_)) => return reply::json(&state),
                Some(AttemptState::Waiting | AttemptState::Running { .. }) => news.changed().await.unwrap(),
                None => return reply::typed(StatusCode::NOT_FOUND, reply::JSON, &json!({})),
            }
        }
    }

    fn logs(&self, id: AttemptId, query: &HashMap<String, String>) -> Response {
        if self.jobs.lock().unwrap().get(&id).is_none_or(|job| job.forgotten) {
            return reply::typed(StatusCode::NOT_FOUND, reply::JSON, &json!({}));
        }
        let (to, response) = reply::streamed(reply::TEXT);
        let (fake, mut news) = (self.clone(), self.news.subscribe());
        let (follow, stderr) = (query["follow"] == "true", query["stream"] == "stderr");
        let mut from: usize = query["from"].parse().unwrap();
        tokio::spawn(async move {
            loop {
                let Some(job) = fake.jobs.lock().unwrap().get(&id).cloned() else { return };
                if !stderr && job.written.len() > from {
                    let _ = to.send(Ok(job.written[from..].to_owned().into())).await;
                    from = job.written.len();
                }
                if !follow || job.ended.is_some() {
                    return;
                }
                news.changed().await.unwrap();
            }
        });
        response
    }
}
