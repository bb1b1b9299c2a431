//! Who can run things: executors, their leases, and what each of them holds.
//!
//! Owns what is known of executors while this orchestrator lives. Promises: what an executor holds is a set of
//! attempts, never a count that goes up and down; nobody is lost until a whole lease has passed since the orchestrator
//! started. Leases are counted by the steady clock, so that nobody is lost because somebody set the machine's clock.
//! Never speaks to anybody.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map, hash_map};
use std::sync::Arc;
use std::time::Duration;

use super::pace::Pace;
use gorch_engine::{Offer, Offers};
use gorch_schema::view::ExecutorView;
use gorch_schema::work::{Registration, Told, Wanted};
use gorch_schema::{AttemptId, ExecutorName, RunId, Timestamp, planted};

/// An executor beats this often.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// The same for one that got no lease.
pub(crate) const SOON: Duration = Duration::from_secs(1);
/// Without a beat for this long it is lost.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// Clocks of machines differ by so much. What was decided within this after an executor came with another folder may have been
/// decided before.
const UNSURE: Duration = Duration::from_mins(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// In the journal; it has not beaten since this orchestrator started, or counts on it.
    Expected { since: Timestamp },
    /// It beats; when, by the machine's clock, and when it was heard, by the steady one.
    Alive { beat: Timestamp, heard: Timestamp },
    /// Its lease ran out.
    Lost { beat: Option<Timestamp> },
}

#[derive(Debug)]
struct Entry {
    registration: Registration,
    presence: Presence,
    held: BTreeSet<AttemptId>,
    pace: Pace,
    /// Where it stands among the offers, while it takes work.
    offer: Option<usize>,
    /// When the certificate ends with which it beat last.
    not_after: Option<Timestamp>,
    /// What operators want of it.
    wanted: Wanted,
    /// How often it was lost, or another process came in its place: each time what it was given is given up.
    lives: u32,
    /// When work of it came from another orchestrator, who may have heard it until then.
    spared: Option<Timestamp>,
}

impl Entry {
    fn new(registration: Registration, presence: Presence, not_after: Option<Timestamp>) -> Self {
        Entry {
            registration,
            presence,
            held: BTreeSet::new(),
            pace: Pace::default(),
            offer: None,
            not_after,
            wanted: Wanted::default(),
            lives: 0,
            spared: None,
        }
    }

    /// Since when its lease counts, for an orchestrator that listens since then; `None`: it has none.
    fn since(&self, started: Timestamp) -> Option<Timestamp> {
        let since = match self.presence {
            Presence::Expected { since } => since,
            Presence::Alive { heard, .. } => heard,
            Presence::Lost { .. } => return None,
        };
        Some(since.max(started).max(self.spared.unwrap_or(since)))
    }

    /// Does it take nothing new, because it says so or because it is told so?
    fn drains(&self) -> bool {
        self.registration.draining || self.wanted.drain.is_some()
    }
}

/// Who holds an attempt, and of which namespace it is.
#[derive(Debug)]
struct Holder {
    executor: ExecutorName,
    namespace: Arc<str>,
    /// The data folder that its executor had then.
    folder: Option<String>,
}

/// What a beat changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing that the journal keeps.
    Same,
    /// The journal must know it before it counts.
    Changed,
}

/// The executors.
#[derive(Debug)]
pub(crate) struct Registry {
    started: Timestamp,
    lease: Duration,
    executors: BTreeMap<ExecutorName, Entry>,
    holders: HashMap<AttemptId, Holder>,
    /// How many attempts of each namespace are held.
    shares: BTreeMap<Arc<str>, u32>,
    /// How many attempts of each run are held.
    of_runs: HashMap<RunId, u32>,
    offers: Offers,
}

/// What is registered now, after what was registered under the same name before: when it came with another folder.
pub(crate) fn after(before: Option<&Registration>, new: Registration, now: Timestamp) -> Registration {
    let is_other = before.is_some_and(|before| before.folder.is_some() && before.folder != new.folder);
    let moved_in = if is_other { Some(now) } else { before.and_then(|before| before.moved_in) };
    Registration { moved_in, ..new }
}

impl Registry {
    pub(crate) fn new(started: Timestamp, lease: Duration) -> Self {
        let lease = if planted("lease_never_ends") { Duration::from_hours(8_760) } else { lease };
        Registry {
            started,
            lease,
            executors: BTreeMap::new(),
            holders: HashMap::new(),
            shares: BTreeMap::new(),
            of_runs: HashMap::new(),
            offers: Offers::none(),
        }
    }

    /// An executor that the journal knows, as this orchestrator has learned now. One that is here already stays as it is.
    pub(crate) fn expect(&mut self, name: ExecutorName, registration: Registration, since: Timestamp) {
        self.executors.entry(name).or_insert(Entry::new(registration, Presence::Expected { since }, None));
    }

    /// What was registered last under this name, if it is known here.
    pub(crate) fn registration(&self, name: &ExecutorName) -> Option<&Registration> {
        self.executors.get(name).map(|entry| &entry.registration)
    }

    /// Would this beat change what the journal keeps?
    pub(crate) fn compare(&self, name: &ExecutorName, registration: &Registration) -> Beat {
        match self.executors.get(name) {
            Some(entry) if entry.registration == *registration => Beat::Same,
            Some(_) | None => Beat::Changed,
        }
    }

    /// An executor beats, with a certificate that ends then; tells whether it is new here or another process than before.
    pub(crate) fn beat(
        &mut self,
        (beat, heard): (Timestamp, Timestamp),
        name: &ExecutorName,
        registration: Registration,
        not_after: Timestamp,
    ) -> bool {
        let presence = Presence::Alive { beat, heard };
        let fresh = match self.executors.get_mut(name) {
            Some(entry) => {
                // What it gave back while it drained is still there.
                let is_back = entry.registration.draining && !registration.draining;
                let is_other = entry.registration.boot != registration.boot;
                let fresh = is_back || is_other || !matches!(entry.presence, Presence::Alive { .. });
                entry.lives += u32::from(is_other);
                entry.registration = registration;
                entry.presence = presence;
                entry.not_after = Some(not_after);
                fresh
            }
            None => {
                self.executors.insert(name.clone(), Entry::new(registration, presence, Some(not_after)));
                true
            }
        };
        self.make_offers();
        fresh
    }

    /// Work of this executor was another orchestrator's until now, who may have heard of it all the time: it is not lost
    /// before a lease is over that counts from now, whether it is lost here, expected, or heard.
    pub(crate) fn expect_again(&mut self, name: &ExecutorName, now: Timestamp) {
        if let Some(entry) = self.executors.get_mut(name) {
            entry.spared = Some(now);
            if matches!(entry.presence, Presence::Lost { .. }) {
                entry.presence = Presence::Expected { since: now };
            }
        }
    }

    /// It lives: the executor that is known under this boot was heard.
    pub(crate) fn heard(&mut self, name: &ExecutorName, boot: &str, (at, when): (Timestamp, Timestamp)) {
        if let Some(entry) = self.executors.get_mut(name)
            && entry.registration.boot == boot
            && let Presence::Alive { beat, heard } = &mut entry.presence
        {
            (*beat, *heard) = (at, when);
        }
    }

    /// Operators want this of an executor, as the journal says: the highest revision counts, whoever read it when.
    pub(crate) fn want(&mut self, name: &ExecutorName, wanted: Wanted) {
        if let Some(entry) = self.executors.get_mut(name)
            && entry.wanted.revision < wanted.revision
        {
            entry.wanted = wanted;
            self.make_offers();
        }
    }

    /// What an executor is told.
    pub(crate) fn told(&self, name: &ExecutorName, now: Timestamp) -> Told {
        self.executors.get(name).map(|entry| entry.wanted.told(now)).unwrap_or_default()
    }

    /// Nobody could be heard until now: every lease begins anew.
    pub(crate) fn was_deaf(&mut self, now: Timestamp) {
        self.started = now;
    }

    /// The executor that this attempt was given to takes nothing: nothing is offered to it before its next beat.
    pub(crate) fn refused(&mut self, attempt: AttemptId) {
        if let Some(entry) = self.holders.get(&attempt).and_then(|by| self.executors.get_mut(&by.executor)) {
            entry.registration.draining = true;
            self.make_offers();
        }
    }

    /// The executors whose lease has run out, with what they held; they are lost from here on.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<(ExecutorName, Vec<AttemptId>)> {
        let mut lost = Vec::new();
        for (name, entry) in &mut self.executors {
            let Some(since) = entry.since(self.started) else { continue };
            if now.since(since) >= self.lease {
                let beat = if let Presence::Alive { beat, .. } = entry.presence { Some(beat) } else { None };
                entry.presence = Presence::Lost { beat };
                entry.lives += 1;
                lost.push((name.clone(), entry.held.iter().copied().collect()));
            }
        }
        if !lost.is_empty() {
            self.make_offers();
        }
        lost
    }

    /// When the next lease runs out, by the steady clock.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        let since = self.executors.values().filter_map(|entry| entry.since(self.started));
        since.min().map(|since| since.after(self.lease))
    }

    /// How often an executor was given up: what it was given before that is covered by no lease any more.
    pub(crate) fn lives(&self, name: &ExecutorName) -> u32 {
        self.executors.get(name).map_or(0, |entry| entry.lives)
    }

    /// The data folder for which an attempt is that was decided here.
    pub(crate) fn folder_of(&self, attempt: AttemptId) -> Option<String> {
        self.holders.get(&attempt)?.folder.clone()
    }

    /// The data folder for which an attempt may have been handed out since then. Empty, which none is called: one that its
    /// executor may have no more. None: nobody has told.
    pub(crate) fn folder_since(&self, name: &ExecutorName, since: Timestamp) -> Option<String> {
        let registration = &self.executors.get(name)?.registration;
        let is_gone = registration.moved_in.is_some_and(|moved_in| since <= moved_in.after(UNSURE));
        registration.folder.clone().map(|folder| if is_gone { String::new() } else { folder })
    }

    /// Is the executor lost, or was it never known?
    pub(crate) fn is_lost(&self, name: &ExecutorName) -> bool {
        self.executors.get(name).is_none_or(|entry| matches!(entry.presence, Presence::Lost { .. }))
    }

    /// An executor holds an attempt of a namespace.
    pub(crate) fn hold(&mut self, name: &ExecutorName, attempt: AttemptId, namespace: &str) {
        if !self.executors.contains_key(name) {
            return;
        }
        self.release(attempt);
        let mut folder = None;
        if let Some(entry) = self.executors.get_mut(name) {
            entry.held.insert(attempt);
            folder.clone_from(&entry.registration.folder);
        }
        let namespace = match self.shares.get_key_value(namespace) {
            Some((known, _)) => known.clone(),
            None => Arc::from(namespace),
        };
        *self.shares.entry(namespace.clone()).or_default() += 1;
        *self.of_runs.entry(attempt.run).or_default() += 1;
        self.holders.insert(attempt, Holder { executor: name.clone(), namespace, folder });
    }

    /// An attempt took this long on the executor that holds it.
    pub(crate) fn took(&mut self, attempt: AttemptId, time: Duration) {
        if let Some(entry) = self.holders.get(&attempt).and_then(|by| self.executors.get_mut(&by.executor)) {
            entry.pace.took(time);
        }
    }

    /// An attempt is held no longer. Tells whether it was.
    pub(crate) fn release(&mut self, attempt: AttemptId) -> bool {
        let Some(Holder { executor, namespace, folder: _ }) = self.holders.remove(&attempt) else { return false };
        if let btree_map::Entry::Occupied(mut held) = self.shares.entry(namespace) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
        if planted("forget_to_release_a_share") {
            return self.executors.get_mut(&executor).is_some_and(|entry| entry.held.remove(&attempt));
        }
        if let hash_map::Entry::Occupied(mut held) = self.of_runs.entry(attempt.run) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
        self.executors.get_mut(&executor).is_some_and(|entry| entry.held.remove(&attempt))
    }

    /// The attempts of a run that are held.
    pub(crate) fn attempts_of(&self, run: RunId) -> Vec<AttemptId> {
        self.holders.keys().copied().filter(|attempt| attempt.run == run).collect()
    }

    /// How many attempts of a namespace are held.
    pub(crate) fn held_by(&self, namespace: &str) -> u32 {
        self.shares.get(namespace).copied().unwrap_or(0)
    }

    /// How many attempts of a run are held.
    pub(crate) fn held_of(&self, run: RunId) -> u32 {
        self.of_runs.get(&run).copied().unwrap_or(0)
    }

    /// Whatever is noted of attempts that are held: nothing, where none is.
    pub(crate) fn in_hand(&self) -> usize {
        let held: usize = self.executors.values().map(|entry| entry.held.len()).sum();
        held + self.holders.len() + self.shares.len() + self.of_runs.len()
    }

    fn taking(&self) -> impl Iterator<Item = &Entry> {
        self.executors.values().filter(|entry| entry.offer.is_some())
    }

    /// How many attempts are held at most, by all who take work now.
    pub(crate) fn most(&self) -> u32 {
        self.taking().map(|entry| entry.pace.most(entry.registration.slots)).fold(0, u32::saturating_add)
    }

    /// Does nobody take anything now?
    pub(crate) fn is_full(&self) -> bool {
        self.taking().all(|entry| entry.held.len() as u32 >= entry.pace.most(entry.registration.slots))
    }

    /// Who takes work now, by what each of them holds, for somebody who may start so many.
    pub(crate) fn offers(&mut self, at_most: Option<u32>) -> &mut Offers {
        self.offers.at_most = at_most;
        for entry in self.executors.values() {
            if let Some(offer) = entry.offer.and_then(|at| self.offers.executors.get_mut(at)) {
                offer.held = entry.held.len() as u32;
                offer.most = entry.pace.most(offer.slots);
            }
        }
        &mut self.offers
    }

    fn make_offers(&mut self) {
        self.offers.executors.clear();
        for (name, entry) in &mut self.executors {
            let takes = matches!(entry.presence, Presence::Alive { .. }) && !entry.drains();
            entry.offer = takes.then_some(self.offers.executors.len());
            if takes {
                let registration = &entry.registration;
                self.offers.executors.push(Offer {
                    executor: name.clone(),
                    engines: registration.engines.iter().cloned().collect(),
                    targets: registration.targets.iter().cloned().collect(),
                    labels: registration.labels.clone(),
                    slots: registration.slots,
                    held: entry.held.len() as u32,
                    most: entry.pace.most(registration.slots),
                });
            }
        }
    }

    /// Every driver that any executor ever had.
    pub(crate) fn engines(&self) -> impl Iterator<Item = &str> {
        self.executors.values().flat_map(|entry| entry.registration.engines.iter().map(String::as_str))
    }

    /// Every executor, by name.
    pub(crate) fn views(&self, now: Timestamp) -> Vec<ExecutorView> {
        self.executors
            .iter()
            .map(|(name, entry)| {
                let (state, last_seen) = match entry.presence {
                    Presence::Expected { .. } => ("expected", None),
                    Presence::Alive { beat, heard } if now.since(heard) > 2 * HEARTBEAT => ("suspect", Some(beat)),
                    // It gave back what waited there; who has not heard of that yet still counts on it.
                    Presence::Alive { beat, .. } if entry.registration.drained && entry.held.is_empty() => {
                        ("drained", Some(beat))
                    }
                    Presence::Alive { beat, .. } if entry.drains() => ("draining", Some(beat)),
                    Presence::Alive { beat, .. } => ("alive", Some(beat)),
                    Presence::Lost { beat } => ("lost", beat),
                };
                ExecutorView {
                    name: name.clone(),
                    url: entry.registration.url.clone(),
                    state: state.to_owned(),
                    engines: entry.registration.engines.clone(),
                    labels: entry.registration.labels.clone(),
                    targets: entry.registration.targets.clone(),
                    slots: entry.registration.slots,
                    held: entry.held.len() as u32,
                    boot: entry.registration.boot.clone(),
                    last_seen,
                    not_after: entry.not_after,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use gorch_schema::work::{Drain, TimeLeft};

    use super::*;

    fn registration(boot: &str) -> Registration {
        Registration {
            url: "https://127.0.0.1:1".into(),
            engines: vec!["shell".into()],
            labels: BTreeMap::new(),
            targets: vec![],
            slots: 2,
            boot: boot.into(),
            folder: None,
            moved_in: None,
            draining: false,
            drained: false,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn nobody_is_lost_until_a_lease_after_the_orchestrator_itself_started() {
        let mut registry = Registry::new(at(1_000), LEASE);
        let name: ExecutorName = "e1".parse().unwrap();
        registry.expect(name.clone(), registration("a"), at(1_000));
        assert!(registry.expire(at(1_029)).is_empty());
        assert_eq!(registry.expire(at(1_030)).len(), 1);
        assert!(registry.is_lost(&name));
    }

    #[test]
    fn nobody_is_lost_for_work_that_was_anothers_before_a_lease_is_over_that_counts_from_then() {
        let mut registry = Registry::new(at(0), LEASE);
        let name: ExecutorName = "e1".parse().unwrap();
        registry.expect(name.clone(), registration("a"), at(0));
        registry.expire(at(30));
        registry.expect_again(&name, at(100));
        assert!(!registry.is_lost(&name) && registry.expire(at(129)).is_empty());
        registry.expect_again(&name, at(129));
        assert_eq!(registry.next_expiry(), Some(at(159)), "the other may have heard it a moment ago");
        assert!(registry.expire(at(158)).is_empty());
        assert_eq!(registry.expire(at(159)).len(), 1);
        registry.beat((at(9), at(200)), &name, registration("a"), at(0));
        registry.expect_again(&name, at(225));
        assert!(registry.expire(at(254)).is_empty(), "also who was heard here long ago");
        assert_eq!(registry.expire(at(255)).len(), 1);
    }

    #[test]
    fn a_beat_brings_a_lost_executor_back_and_says_that_it_is_fresh() {
        let mut registry = Registry::new(at(0), LEASE);
        let name: ExecutorName = "e1".parse().unwrap();
        assert!(registry.beat((at(9), at(1)), &name, registration("a"), at(0)));
        assert!(!registry.beat((at(9), at(6)), &name, registration("a"), at(0)));
        assert!(registry.beat((at(9), at(7)), &name, registration("b"), at(0)), "another boot is another process");
        registry.expire(at(60));
        assert!(registry.offers(None).executors.is_empty());
        assert!(registry.beat((at(9), at(61)), &name, registration("b"), at(0)));
        assert_eq!(registry.offers(None).executors[0].most, 4);
    }

    #[test]
    fn nothing_is_offered_to_who_is_to_drain_even_before_it_knows_and_the_newest_wish_counts() {
        let mut registry = Registry::new(at(0), LEASE);
        let name: ExecutorName = "e1".parse().unwrap();
        let state = |registry: &Registry| registry.views(at(1))[0].state.clone();
        registry.beat((at(9), at(1)), &name, registration("a"), at(0));
        let drain = Some(Drain { until: Some(at(100)) });
        registry.want(&name, Wanted { revision: 2, drain });
        registry.want(&name, Wanted { revision: 1, drain: None });
        assert!(registry.offers(None).executors.is_empty());
        assert_eq!(registry.told(&name, at(40)).drain, Some(TimeLeft { left_ms: Some(60_000) }));
        assert_eq!(registry.told(&name, at(140)).drain, Some(TimeLeft { left_ms: Some(0) }));
        assert_eq!(state(&registry), "draining");
        let attempt: AttemptId = "0000000000000000000000000000000a.0.0.0.1".parse().unwrap();
        registry.hold(&name, attempt, "a");
        let obeys = Registration { draining: true, drained: true, ..registration("a") };
        assert!(!registry.beat((at(9), at(1)), &name, obeys, at(0)));
        assert_eq!(state(&registry), "draining", "what it gave back is not placed anew yet");
        registry.release(attempt);
        assert_eq!(state(&registry), "drained");
        registry.want(&name, Wanted { revision: 3, drain: None });
        assert!(registry.offers(None).executors.is_empty(), "it takes nothing until it has heard of it");
        assert!(registry.beat((at(9), at(1)), &name, registration("a"), at(0)), "what it gave back is looked at");
        assert_eq!((registry.offers(None).executors.len(), state(&registry).as_str()), (1, "alive"));
    }

    #[test]
    fn offers_are_derived_from_what_is_held() {
        let mut registry = Registry::new(at(0), LEASE);
        let name: ExecutorName = "e1".parse().unwrap();
        registry.beat((at(9), at(1)), &name, registration("a"), at(0));
        let attempt: AttemptId = "0000000000000000000000000000000a.0.0.0.1".parse().unwrap();
        registry.hold(&name, attempt, "a");
        registry.hold(&name, attempt, "a");
        assert_eq!(registry.offers(None).executors[0].held, 1, "the same attempt twice is one");
        assert_eq!(registry.held_by("a"), 1);
        assert!(registry.release(attempt));
        assert_eq!(registry.offers(None).executors[0].held, 0);
        assert_eq!(registry.held_by("a"), 0);
    }
}
