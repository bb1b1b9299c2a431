//! An executor of the tests: it takes attempts over mutual TLS and does with them what the test says, when it says it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt};
use gorch_certs::{Credentials, Standing, Watch};
use gorch_schema::session::{LONGEST_ORDER, Lines, News, Order, OrderKind};
use gorch_schema::work::{AttemptState, Excerpt, HeldAttempt, Logs, Report};
use gorch_schema::{AttemptId, AttemptResult, Problem, Timestamp};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
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

    /// Waits until an attempt of the node is here that has not ended.
    pub(super) async fn has(&self, node: &str) {
        let mut news = self.news.subscribe();
        let here = async {
            while !self.jobs.lock().unwrap().values().any(|job| job.node == node && job.ended.is_none()) {
                news.changed().await.unwrap();
            }
        };
        tokio::time::timeout(super::stand::PATIENCE, here).await.expect("the node in time");
    }

    fn routes(&self) -> impl Filter<Extract = (Response,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
        let (fake, session) = (self.clone(), self.clone());
        let session = warp::path!("v1" / "session").and(warp::post()).and(warp::body::stream()).map(move |body| {
            let (to, response) = reply::streamed("application/x-ndjson");
            tokio::spawn(session.clone().converse(body, to));
            response
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
        session.or(list).unify().or(logs).unify()
    }

    async fn converse(
        self,
        body: impl Stream<Item = Result<impl Buf, warp::Error>>,
        to: mpsc::Sender<Result<Bytes, reply::Cut>>,
    ) {
        let mut body = std::pin::pin!(body);
        let mut lines = Lines::new(LONGEST_ORDER);
        while let Some(Ok(mut piece)) = body.next().await {
            let mut orders: Vec<Order> = Vec::new();
            let piece = piece.copy_to_bytes(piece.remaining());
            lines.push(&piece, |line| orders.push(serde_json::from_slice(line).unwrap())).unwrap();
            for order in orders {
                let id = order.attempt();
                match order {
                    Order::Run(work) => {
                        let job = Job { node: work.node.clone(), ..Job::default() };
                        self.jobs.lock().unwrap().entry(id).or_insert(job);
                        tell(&to, &News::Admitted(id)).await;
                        tokio::spawn(self.clone().follow(id, to.clone()));
                    }
                    Order::Follow(_) => drop(tokio::spawn(self.clone().follow(id, to.clone()))),
                    Order::Stop(_) => {
                        if let Some(job) = self.jobs.lock().unwrap().get_mut(&id) {
                            job.ended.get_or_insert(AttemptResult::cancelled());
                        }
                    }
                    Order::Acknowledge(_) => {
                        // Whoever reads its log already has the file open.
                        if let Some(job) = self.jobs.lock().unwrap().get_mut(&id) {
                            job.forgotten = true;
                        }
                        tell(&to, &News::Forgotten(id)).await;
                    }
                }
                self.news.send_replace(());
            }
        }
    }

    async fn follow(self, attempt: AttemptId, to: mpsc::Sender<Result<Bytes, reply::Cut>>) {
        let mut news = self.news.subscribe();
        loop {
            let state = self.jobs.lock().unwrap().get(&attempt).map(Job::state);
            match state {
                Some(AttemptState::Ended(report)) => return tell(&to, &News::Ended { attempt, report }).await,
                Some(AttemptState::Waiting | AttemptState::Running { .. }) => news.changed().await.unwrap(),
                None => {
                    let problem = Box::new(Problem::new("not_found", "no such attempt"));
                    return tell(&to, &News::Refused { attempt, order: OrderKind::Follow, problem }).await;
                }
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

async fn tell(to: &mpsc::Sender<Result<Bytes, reply::Cut>>, news: &News) {
    let _ = to.send(Ok(format!("{}\n", serde_json::to_string(news).unwrap()).into())).await;
}
