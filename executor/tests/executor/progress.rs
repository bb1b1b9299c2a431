//! What jobs say of themselves in `$GORCH_PROGRESS`: shown while they run, kept with their report, and missed when a
//! heartbeat is due.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gorch_schema::progress::Changes;
use gorch_schema::session::{News, Order};
use gorch_schema::work::{Report, Work};
use gorch_schema::{Advance, AttemptId, Outcome};

use crate::docker::{self, Docked};
use crate::house::{House, failure, holds};
use crate::session::Session;

fn advance(percent: &str, text: &str) -> Advance {
    Advance { percent: Some(percent.parse().unwrap()), text: text.to_owned() }
}

fn last(report: &Report) -> Option<Advance> {
    report.result.progress.as_deref().cloned()
}

fn beating(heartbeat: Duration, mut work: Work) -> Work {
    work.settings.heartbeat = Some(heartbeat);
    work
}

/// Hears of an attempt until it says something.
async fn told(session: &mut Session, wanted: AttemptId) -> Changes {
    loop {
        match session.next().await.expect("the session goes on") {
            News::Progress { attempt, changes } if attempt == wanted => return changes,
            News::Progress { .. } | News::Admitted(_) => {}
            other @ (News::Ended { .. } | News::Forgotten(_) | News::Refused { .. }) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_job_is_is_told_while_it_runs_and_stays_in_its_report() {
    for flags in [&[][..], &["--sandbox", "try", "--run-as", "nobody", "--work-folder", "private"]] {
        let mut house = House::empty(flags);
        // A job of another user, in a sandbox, must see the file that lets it go.
        let given = house.path("given");
        fs::create_dir(&given).unwrap();
        fs::set_permissions(house.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if !flags.is_empty() {
            house.add_flags(&["--readable", given.to_str().unwrap()]);
        }
        house.start();
        let go = given.join("go");
        let script = format!(
            "echo '40 compiling' >> \"$GORCH_PROGRESS\"; until [ -e {} ]; do sleep 0.01; done; \
             printf '90%% packed' >> \"$GORCH_PROGRESS\"",
            go.display()
        );
        let work = house.script(0, &script);
        let mut session = Session::open(&house).await;
        session.give(&[Order::Run(Arc::new(work.clone()))]);
        let now = Changes { progress: Some(advance("40", "compiling")), items: Vec::new() };
        assert_eq!(told(&mut session, work.attempt).await, now);
        let mut other = Session::open(&house).await;
        other.give(&[Order::Follow(work.attempt)]);
        assert_eq!(told(&mut other, work.attempt).await, now, "who comes late hears where it stands");
        fs::write(go, "").unwrap();
        let report = house.report(work.attempt).await;
        assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:?}");
        assert_eq!(last(&report), Some(advance("90", "packed")));
    }
}

#[tokio::test]
async fn a_job_that_says_nothing_or_nothing_right_has_no_progress_and_loses_nothing() {
    let house = House::new(&[]);
    let said = [
        ("true", None),
        ("[ ! -e $GORCH_PROGRESS ] && [ -d ${GORCH_PROGRESS%/*} ]", None),
        ("touch $GORCH_PROGRESS", None),
        ("echo 101 >> $GORCH_PROGRESS", None),
        ("mkdir $GORCH_PROGRESS; echo 1 > $GORCH_PROGRESS/x", None),
        ("echo 50 other > other; ln -s $PWD/other $GORCH_PROGRESS", None),
        ("mkfifo $GORCH_PROGRESS", None),
        ("truncate -s 100G $GORCH_PROGRESS", None),
        ("truncate -s 100G $GORCH_PROGRESS; (echo; echo 70 huge) >> $GORCH_PROGRESS", Some(advance("70", "huge"))),
        (
            "head -c 100000 /dev/urandom > $GORCH_PROGRESS; (echo; echo 71 noise) >> $GORCH_PROGRESS",
            Some(advance("71", "noise")),
        ),
        ("echo 1 a >> $GORCH_PROGRESS; rm $GORCH_PROGRESS; echo 2 b > $GORCH_PROGRESS", Some(advance("2", "b"))),
    ];
    for (node, (script, expected)) in (0..).zip(said) {
        let report = house.run(&house.script(node, script)).await;
        assert_eq!((&report.result.outcome, last(&report)), (&Outcome::Succeeded, expected), "{script}");
    }
    let failed = house.run(&house.script(99, "echo 33.3 half >> $GORCH_PROGRESS; exit 3")).await;
    assert_eq!((failure(&failed).0, last(&failed)), ("exit_nonzero", Some(advance("33.3", "half"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_says_very_much_is_told_of_a_few_times_a_second() {
    let house = House::new(&[]);
    let script = "for round in 1 2 3 4 5 6 7 8 9 10; do seq -f \"${round}0 line %g\" 1 10000 >> $GORCH_PROGRESS; sleep 0.1; done";
    let work = house.script(0, script);
    let mut session = Session::open(&house).await;
    let began = Instant::now();
    session.give(&[Order::Run(Arc::new(work))]);
    let mut heard = 0;
    let report = loop {
        match session.next().await.expect("the session goes on") {
            News::Progress { .. } => heard += 1,
            News::Ended { report, .. } => break report,
            News::Admitted(_) => {}
            other @ (News::Forgotten(_) | News::Refused { .. }) => panic!("{other:?}"),
        }
    };
    assert_eq!(last(&report), Some(advance("100", "line 10000")));
    let most = began.elapsed().as_millis() / 250 + 1;
    assert!((1..=most).contains(&heard), "told {heard} times, expected at most {most}");
}

#[tokio::test]
async fn a_job_lives_as_long_as_its_heart_beats() {
    let house = House::new(&["--slots", "4", "--grace", "300ms"]);
    let second = Duration::from_secs(2);
    let touches = "n=0; while [ $n -lt 20 ]; do touch $GORCH_PROGRESS; n=$((n+1)); sleep 0.2; done";
    let empty = "n=0; while [ $n -lt 20 ]; do echo >> $GORCH_PROGRESS; n=$((n+1)); sleep 0.2; done";
    let stops = "echo 10 begun >> $GORCH_PROGRESS; trap '' TERM; setsid sleep 1003 & while :; do sleep 1; done";
    let never = "sleep 1003";
    for (node, script) in (0..).zip([touches, empty, stops, never]) {
        house.hand_in(&beating(second, house.script(node, script))).await;
    }
    for node in [0, 1] {
        let report = house.report(house.id(node)).await;
        assert_eq!((report.result.outcome.clone(), last(&report)), (Outcome::Succeeded, None));
        assert!(report.ended.since(report.started.unwrap()) > second, "it lived longer than from one beat to the next");
    }
    for (node, said) in [(2, Some(advance("10", "begun"))), (3, None)] {
        let report = house.report(house.id(node)).await;
        let expected = ("timeout.heartbeat", "the job wrote nothing to $GORCH_PROGRESS for 2s");
        assert_eq!((failure(&report), last(&report)), (expected, said));
        assert!(report.unconfirmed.is_empty());
        assert!(report.ended.since(report.started.unwrap()) >= second);
    }
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_heartbeat_is_due_under_the_next_executor_too() {
    let mut house = House::new(&["--recover", "wait", "--slots", "2", "--grace", "300ms"]);
    let script = |name: &str, last: &str| {
        format!(
            "until [ -e hush-{name} ]; do echo 30 on >> $GORCH_PROGRESS; echo up > up-{name}; sleep 0.05; done; \
             echo quiet > quiet-{name}; {last}"
        )
    };
    let heartbeat = Duration::from_secs(3);
    house.hand_in(&beating(heartbeat, house.script(0, &script("a", "sleep 1004")))).await;
    house.hand_in(&beating(heartbeat, house.script(1, &script("b", "echo 95 near >> $GORCH_PROGRESS")))).await;
    house.file("up-a");
    house.file("up-b");
    house.kill();
    fs::write(house.path("hush-a"), "").unwrap();
    house.file("quiet-a");
    house.start();
    let silent = house.report(house.id(0)).await;
    assert_eq!((failure(&silent).0, last(&silent)), ("timeout.heartbeat", Some(advance("30", "on"))));
    assert!(!house.processes().is_empty(), "the other one goes on");
    fs::write(house.path("hush-b"), "").unwrap();
    let lost = house.report(house.id(1)).await;
    assert_eq!((failure(&lost).0, last(&lost)), ("executor_lost", Some(advance("95", "near"))));
    assert!(holds(|| house.processes().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_says_how_far_it_is_and_its_heartbeat_outlives_the_executor() {
    let mut house = Docked::empty(&["--slots", "2", "--grace", "300ms"]);
    house.start();
    let stays = docker::script(&house, 0, "echo '20% pulling' >> $GORCH_PROGRESS; sleep 1000");
    let stays = beating(Duration::from_secs(5), stays);
    let mut session = Session::open(&house).await;
    session.give(&[Order::Run(Arc::new(stays.clone()))]);
    assert_eq!(told(&mut session, stays.attempt).await.progress, Some(advance("20", "pulling")));
    house.kill();
    house.start();
    let report = house.report(stays.attempt).await;
    assert_eq!((failure(&report).0, last(&report)), ("timeout.heartbeat", Some(advance("20", "pulling"))));

    let report = house.run(&docker::script(&house, 1, "echo '80 packing' >> $GORCH_PROGRESS")).await;
    assert_eq!((&report.result.outcome, last(&report)), (&Outcome::Succeeded, Some(advance("80", "packing"))));
}
