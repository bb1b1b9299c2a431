//! Which server a session is with, whether that is still there, and whether it still keeps what it says.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::connect::Connector;
use super::cluster::Stop;
use super::{Address, Cluster, Postgres, cluster, journal, seat};
use crate::journal::conformance::given::{accept, goes_on};
use crate::journal::{Adopted, Journal};

fn standby() -> Cluster {
    let standby = Cluster::start("");
    standby.stop(Stop::Fast);
    std::fs::write(standby.data().join("standby.signal"), "").unwrap();
    standby.start_again();
    standby
}

/// The address of a database at one of these ports.
fn at(ports: &[u16], name: &str) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://gorch@{}/{name}", hosts.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_the_first_that_is_fit_is_taken_and_each_is_waited_for_by_itself() {
    let (standby, primary) = (standby(), Cluster::start(""));
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|at| at.port()).map(|port| (port, silent)).unwrap();
    let ports = [standby.port(), silent.0, primary.port()];
    let begun = Instant::now();
    let journal = journal(&at(&ports, "postgres"), "one").await;
    journal.append(accept(1)).await.unwrap();
    journal.adopt(Duration::from_secs(6), Adopted::New).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(9), "the silent one was waited for once: {:?}", begun.elapsed());
    assert_eq!(primary.sql("postgres", "SELECT count(*) FROM events"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_it_is_said_what_is_wrong_with_each() {
    let standby = standby();
    let address: Address = at(&[standby.port(), 1], "postgres").parse().unwrap();
    let said = match Postgres::open(address, seat("one")).await {
        Ok(_) => panic!("neither is fit"),
        Err(error) => crate::chain(&error),
    };
    let first = format!("127.0.0.1:{}: found a standby, expected the primary", standby.port());
    assert!(said.contains("cannot be used: none of its servers can be used; ") && said.contains(&first), "{said}");
    assert!(said.contains("; 127.0.0.1:1: no session with PostgreSQL: error connecting to server"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_no_room_for_one_more_session_is_not_silent() {
    let address = cluster().database();
    let name = address.rsplit('/').next().unwrap().to_owned();
    let role = format!("small_{name}");
    // One writes, one listens, one looks.
    let limited = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 3");
    cluster().sql("postgres", &limited);
    cluster().sql("postgres", &format!("ALTER DATABASE {name} OWNER TO {role}"));
    let journal = Arc::new(journal(&address.replace("gorch@", &format!("{role}@")), "one").await);
    journal.append(accept(1)).await.unwrap();
    let sessions =
        format!("SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE usename = '{role}'");
    let begun = Instant::now();
    let before = loop {
        let found = cluster().sql("postgres", &sessions);
        if found.split(' ').count() == 3 {
            break found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{found}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let held = std::thread::spawn(move || {
        cluster().sql(&name, "BEGIN; SELECT FROM newest FOR UPDATE; SELECT pg_sleep(8); COMMIT");
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    assert_eq!(journal.append(goes_on(1, 1, 1)).await.unwrap(), 2);
    assert!(begun.elapsed() > Duration::from_secs(6), "it was waited for: {:?}", begun.elapsed());
    held.join().unwrap();
    assert_eq!(cluster().sql("postgres", &sessions), before, "no session was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_less_from_now_on_is_not_relied_on() {
    let server = Cluster::start("");
    let address = server.database();
    let journal = journal(&address, "one").await;
    let session = Connector::new(address.parse().unwrap()).unwrap().session().await.unwrap();
    journal.append(accept(1)).await.unwrap();
    let set = |setting: &str, to: &str| {
        server.sql("postgres", &format!("ALTER SYSTEM SET {setting} = {to}"));
        server.sql("postgres", "SELECT pg_reload_conf()");
        let show = format!("SHOW {setting}");
        while server.sql("postgres", &show) != to {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    set("synchronous_commit", "off");
    let kept: String = session.client.query_one("SHOW synchronous_commit", &[]).await.unwrap().get(0);
    assert_eq!(kept, "on", "for a session it is what it was found to be");
    assert_eq!(journal.append(goes_on(1, 1, 1)).await.unwrap(), 2);
    set("synchronous_commit", "on");

    set("fsync", "off");
    let expected = "found `fsync = off` in PostgreSQL, expected `on`";
    let said = crate::chain(&journal.append(goes_on(1, 2, 1)).await.unwrap_err());
    assert!(said.contains(expected), "{said}");
    let said = crate::chain(&journal.adopt(Duration::from_secs(6), Adopted::New).await.unwrap_err());
    assert!(said.contains(expected), "{said}");
    set("fsync", "on");
    assert_eq!(journal.append(goes_on(1, 2, 1)).await.unwrap(), 3, "nothing of the other is there");
    journal.adopt(Duration::from_secs(6), Adopted::New).await.unwrap();
}
