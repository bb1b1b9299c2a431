//! An executor that only listens.
//!
//! Owns the roads to it, on which orders are written down, and what it answers to them. It does nothing of what it is told;
//! a test says what comes of it.

use gorch_schema::progress::Changes;

use super::*;

/// The report of something that went well and said nothing.
fn succeeded() -> Report {
    let result = AttemptResult::succeeded(serde_json::json!({}));
    Report { result, started: None, ended: Timestamp::default(), logs: Logs::default(), unconfirmed: Vec::new() }
}

/// What an executor was ordered, in its order, and where it is heard.
#[derive(Clone, Default)]
pub(super) struct Wire {
    pub(super) orders: Arc<Mutex<Vec<Order>>>,
    news: Arc<Mutex<Vec<mpsc::UnboundedSender<Bytes>>>>,
    /// Another process is there now, which has nothing of what was ordered.
    pub(super) knows_nothing: Arc<AtomicBool>,
    /// What the data folder is called that is there now, if it says so.
    folder: Arc<Mutex<Option<String>>>,
    /// How often something was taken on.
    taken: Arc<AtomicUsize>,
    /// Nothing of a session that is being opened comes through.
    pub(super) is_cut: Arc<AtomicBool>,
    /// Nobody is there.
    pub(super) is_away: Arc<AtomicBool>,
    /// What it says that it holds, until that is acknowledged.
    pub(super) held: Arc<Mutex<Vec<HeldAttempt>>>,
    /// How often it was asked what it holds.
    pub(super) compared: Arc<AtomicUsize>,
}

impl Wire {
    /// Answers an order, where an executor does so at once.
    fn answer(&self, order: &Order) {
        let attempt = order.attempt();
        let news = match order {
            Order::Run(work) if self.is_of_another_folder(work) => {
                let problem = Box::new(Problem::new("other_folder", "it may have begun elsewhere"));
                News::Refused { attempt, order: order.kind(), problem }
            }
            Order::Run(_) => {
                self.taken.fetch_add(1, Ordering::Relaxed);
                News::Admitted(attempt)
            }
            Order::Follow(_) if self.knows_nothing.load(Ordering::Relaxed) => {
                let problem = Box::new(Problem::new("not_found", "no such attempt"));
                News::Refused { attempt, order: order.kind(), problem }
            }
            Order::Follow(_) | Order::Stop(_) | Order::Acknowledge(_) => return,
        };
        self.tell(&news);
    }

    /// From now on the one with this data folder is there.
    pub(super) fn has_folder(&self, folder: &str) {
        *self.folder.lock().unwrap() = Some(folder.to_owned());
    }

    fn is_of_another_folder(&self, work: &Work) -> bool {
        let here = self.folder.lock().unwrap();
        here.is_some() && work.folder.is_some() && *here != work.folder
    }

    /// How often something was taken on.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// An attempt says something of itself.
    pub(super) fn says(&self, work: &Work, changes: Changes) {
        self.tell(&News::Progress { attempt: work.attempt, changes });
    }

    /// The end of an attempt is told.
    pub(super) fn ends(&self, work: &Work) {
        self.reports(work, AttemptResult::succeeded(serde_json::json!({})));
    }

    /// The end of an attempt is told, and how.
    pub(super) fn reports(&self, work: &Work, result: AttemptResult) {
        let report = Box::new(Report { result, ..succeeded() });
        self.tell(&News::Ended { attempt: work.attempt, report });
    }

    fn tell(&self, news: &News) {
        let line = serde_json::to_string(news).unwrap() + "\n";
        for news in &*self.news.lock().unwrap() {
            let _ = news.send(Bytes::from(line.clone()));
        }
    }

    /// The executor was killed, and another process has its name and its address, but not its folder.
    pub(super) fn is_replaced(&self) {
        self.knows_nothing.store(true, Ordering::Relaxed);
        self.news.lock().unwrap().clear();
    }
}

impl Roads for Wire {
    fn to(&self, _executor: &ExecutorName, _url: &str) -> Result<Arc<dyn Road>, Cut> {
        Ok(Arc::new(self.clone()))
    }
}

impl Road for Wire {
    fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Cut>> {
        let mut held = self.held.lock().unwrap();
        if ask.path == "/v1/attempts" {
            self.compared.fetch_add(1, Ordering::Relaxed);
        }
        if self.is_away.load(Ordering::Relaxed) {
            return ready(Err(Cut::from("nobody is there"))).boxed();
        }
        let known = held.iter().position(|held| ask.path.contains(&held.id.to_string()));
        let (status, body) = match (ask.path.as_str(), known) {
            ("/v1/attempts", _) => (StatusCode::OK, serde_json::to_string(&*held).unwrap()),
            (path, Some(at)) if path.ends_with("/ack") => {
                held.remove(at);
                (StatusCode::OK, String::new())
            }
            (_, Some(_)) => {
                (StatusCode::OK, serde_json::to_string(&AttemptState::Ended(Box::new(succeeded()))).unwrap())
            }
            _ if self.knows_nothing.load(Ordering::Relaxed) => {
                let problem = Problem::new("not_found", "no such attempt");
                (StatusCode::NOT_FOUND, serde_json::to_string(&problem).unwrap())
            }
            _ => (StatusCode::OK, serde_json::to_string(&AttemptState::Waiting).unwrap()),
        };
        ready(Ok(Answer { status, body: Bytes::from(body) })).boxed()
    }

    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Opened, Cut>> {
        if self.is_away.load(Ordering::Relaxed) {
            return ready(Err(Cut::from("nobody is there"))).boxed();
        }
        let (wire, is_cut) = (self.clone(), self.is_cut.clone());
        let way = async move {
            while is_cut.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let way = way.boxed().shared();
        let mut body = opening.body.expect("only sessions are opened");
        let there = way.clone();
        tokio::spawn(async move {
            there.await;
            let mut lines = Lines::new(LONGEST_ORDER);
            while let Some(piece) = body.recv().await {
                let take = |line: &[u8]| {
                    let order = serde_json::from_slice(line).unwrap();
                    wire.answer(&order);
                    wire.orders.lock().unwrap().push(order);
                };
                lines.push(&piece, take).unwrap();
            }
        });
        let (news, pieces) = mpsc::unbounded_channel();
        self.news.lock().unwrap().push(news);
        let pieces =
            futures::stream::unfold(pieces, |mut pieces| async move { Some((Ok(pieces.recv().await?), pieces)) });
        async move {
            way.await;
            Ok(Opened::Pieces(pieces.boxed()))
        }
        .boxed()
    }
}
