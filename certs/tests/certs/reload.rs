//! Files that are replaced while the process runs.

use crate::house::{House, PATIENCE, handshake, identity, odd_client, user};
use gorch_certs::{
    Authority, Caller, Connector, Credentials, Expect, Fingerprint, Issued, Kind, Request, Watch, store,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// A certificate for the identity that the listener has.
fn successor(house: &House) -> Issued {
    let request = Request::new(&identity("spiffe://gorch.local/gorch/orchestrator/orchestrator")).names(["127.0.0.1"]);
    house.authority.sign(&request).unwrap()
}

fn certificate(house: &House, name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(house.path().join(name)).unwrap().to_vec()
}

/// Which certificate the listener shows to a new connection.
async fn shown(house: &House) -> Fingerprint {
    let me = house.authority.sign(&Request::new(&user("client"))).unwrap();
    let tls = handshake(house.address, odd_client(house.authority.cert_pem(), Some(&me))).await.unwrap();
    Fingerprint::of(&tls.get_ref().1.peer_certificates().unwrap()[0])
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_without_a_restart_and_live_connections_stay() {
    let house = House::open().await;
    let live = house.client();
    live.get(house.url("/whoami")).send().await.unwrap();
    let next = successor(&house);
    assert_ne!(shown(&house).await, Fingerprint::of(&next.der));

    house.put("orchestrator", &next);
    house.lines.wait_for(&["certificates reloaded", &Fingerprint::of(&next.der).to_string()]).await;
    assert_eq!(shown(&house).await, Fingerprint::of(&next.der));
    assert_eq!(live.get(house.url("/whoami")).send().await.unwrap().status(), 200);
    assert!(!house.lines.all().iter().any(|line| line.contains("connection closed")));
}

#[tokio::test]
async fn bad_files_leave_the_old_ones_in_force_and_say_so_once() {
    let house = House::open().await;
    let before = shown(&house).await;
    house.put_text("orchestrator.pem", "rubbish");
    let line = house.lines.wait_for(&["replaced certificates refused, the old ones stay in force"]).await;
    assert!(line.contains("orchestrator.pem` holds no PEM block (expected a CERTIFICATE block)"), "{line}");
    assert_eq!(shown(&house).await, before);

    // Tried again and again, said once per cause.
    house.put_text("roles.toml", "[roles]\n\"*\" = [\"admin\"]\n");
    house.lines.wait_for(&["replaced role map refused", "line 2"]).await;
    let refused = |line: &&String| line.contains("replaced certificates refused");
    assert_eq!(house.lines.all().iter().filter(refused).count(), 1);
    let answer = house.client().get(house.url("/whoami")).send().await.unwrap();
    assert!(answer.text().await.unwrap().ends_with("admin"));

    let next = successor(&house);
    house.put("orchestrator", &next);
    house.lines.wait_for(&["certificates reloaded"]).await;
    assert_eq!(shown(&house).await, Fingerprint::of(&next.der));
}

#[tokio::test]
async fn a_certificate_without_its_key_waits_until_the_key_is_there() {
    let house = House::open().await;
    let next = successor(&house);
    house.put_text("orchestrator.pem", &next.cert_pem);
    house.lines.wait_for(&["replaced certificates refused", "does not belong to certificate"]).await;
    house.put_text("orchestrator.key", &next.key_pem);
    house.lines.wait_for(&["certificates reloaded"]).await;
}

#[tokio::test]
async fn a_running_process_does_not_become_somebody_else() {
    let house = House::open().await;
    let other = house.authority.sign(&Request::new(&identity("spiffe://gorch.local/gorch/executor/e"))).unwrap();
    house.put("orchestrator", &other);
    house.lines.wait_for(&["replaced certificates refused", "executor/e", "as before"]).await;
}

#[tokio::test]
async fn a_revoked_certificate_loses_its_live_connection_and_gets_no_other() {
    let house = House::open().await;
    let mut live = connected(&house, "client").await;
    let other = house.authority.sign(&Request::new(&user("other"))).unwrap();
    let mut bystander = handshake(house.address, odd_client(house.authority.cert_pem(), Some(&other))).await.unwrap();
    asks(&mut bystander).await;

    house.put_text("crl.pem", &house.authority.revocation_list(&[&certificate(&house, "client.pem")]).unwrap());
    house.lines.wait_for(&["connection closed: its certificate is no longer good", "user/client", "Revoked"]).await;
    ended(&mut live).await;
    asks(&mut bystander).await;
    assert!(house.client().get(house.url("/whoami")).send().await.is_err());
    house.lines.wait_for(&["connection refused: certificate revoked"]).await;
}

#[tokio::test]
async fn a_revoked_certificate_loses_its_web_socket_too() {
    let house = House::open().await;
    let mut live = connected(&house, "client").await;
    let upgrade = b"GET /socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    live.write_all(upgrade).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = live.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer[..read]));

    house.put_text("crl.pem", &house.authority.revocation_list(&[&certificate(&house, "client.pem")]).unwrap());
    house.lines.wait_for(&["connection closed: its certificate is no longer good", "user/client"]).await;
    ended(&mut live).await;
}

#[tokio::test]
async fn a_revocation_list_of_somebody_else_is_refused() {
    let house = House::open().await;
    let client = house.client();
    let stranger = Authority::create("gorch.local").unwrap();
    house.put_text("crl.pem", &stranger.revocation_list(&[&certificate(&house, "client.pem")]).unwrap());
    house.lines.wait_for(&["replaced certificates refused", "crl.pem"]).await;
    assert_eq!(client.get(house.url("/whoami")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn when_the_authority_is_replaced_connections_of_the_old_one_end() {
    let house = House::open().await;
    let mut live = connected(&house, "client").await;
    let new = Authority::create("gorch.local").unwrap();
    let request = Request::new(&identity("spiffe://gorch.local/gorch/orchestrator/orchestrator")).names(["127.0.0.1"]);
    house.put("orchestrator", &new.sign(&request).unwrap());
    house.put_text("ca.pem", new.cert_pem());
    house.lines.wait_for(&["connection closed: its certificate is no longer good", "user/client"]).await;
    ended(&mut live).await;
}

#[tokio::test]
async fn both_authorities_in_one_file_keep_everybody_in_while_one_replaces_the_other() {
    let house = House::open().await;
    let live = house.client();
    live.get(house.url("/whoami")).send().await.unwrap();
    let new = Authority::create("gorch.local").unwrap();
    house.put_text("ca.pem", &format!("{}{}", house.authority.cert_pem(), new.cert_pem()));
    house.lines.wait_for(&["certificates reloaded"]).await;
    let theirs = new.sign(&Request::new(&user("new"))).unwrap();
    let mut tls = handshake(house.address, odd_client(house.authority.cert_pem(), Some(&theirs))).await.unwrap();
    asks(&mut tls).await;
    assert_eq!(live.get(house.url("/whoami")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_connection_does_not_outlive_its_certificate() {
    let house = House::open().await;
    let soon = std::time::Duration::from_secs(2);
    let issued = house.authority.sign(&Request::new(&user("brief")).valid_for(soon)).unwrap();
    let mut live = handshake(house.address, odd_client(house.authority.cert_pem(), Some(&issued))).await.unwrap();
    asks(&mut live).await;
    ended(&mut live).await;
    house.lines.wait_for(&["connection closed: its certificate is no longer good", "user/brief"]).await;
}

#[tokio::test]
async fn a_changed_role_map_holds_for_the_next_request_of_a_live_connection() {
    let house = House::open().await;
    let live = house.client();
    let says = async || live.get(house.url("/whoami")).send().await.unwrap().text().await.unwrap();
    assert!(says().await.ends_with("admin"));
    house.put_text("roles.toml", "[roles]\n\"spiffe://gorch.local/gorch/user/*\" = [\"read\"]\n");
    tokio::time::timeout(PATIENCE, async {
        while says().await != "spiffe://gorch.local/gorch/user/client may read" {}
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn without_a_role_map_the_log_says_that_everybody_may_do_everything() {
    let house = House::open().await;
    std::fs::remove_file(house.path().join("roles.toml")).unwrap();
    house.lines.wait_for(&["no role map: every user certificate of our authority may do everything"]).await;
}

#[tokio::test]
async fn a_caller_shows_the_new_certificate_after_a_change() {
    let house = House::open().await;
    store::issue(house.path(), Kind::Executor, "e", &store::Options::default()).unwrap();
    let (mine, _) = Credentials::for_executor(house.path(), "e").unwrap();
    let lines = crate::house::Lines::default();
    let watch = Watch::start_every(crate::house::QUICK, mine, CancellationToken::new(), lines.logger()).unwrap();
    let caller = Caller::new(watch, Connector::new(Expect::Kind(Kind::Orchestrator))).unwrap();
    caller.client().unwrap().get(house.url("/whoami")).send().await.unwrap();

    let old = certificate(&house, "executor-e.pem");
    let request = Request::new(&identity("spiffe://gorch.local/gorch/executor/e"));
    house.put("executor-e", &house.authority.sign(&request).unwrap());
    lines.wait_for(&["certificates reloaded"]).await;
    house.put_text("crl.pem", &house.authority.revocation_list(&[&old]).unwrap());
    house.lines.wait_for(&["certificates reloaded"]).await;
    let answer = caller.client().unwrap().get(house.url("/whoami")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "spiffe://gorch.local/gorch/executor/e may executor");
}

type Live = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// A raw connection that shows `name.pem` of the folder and has been answered once.
async fn connected(house: &House, name: &str) -> Live {
    let read = |extension: &str| std::fs::read_to_string(house.path().join(format!("{name}.{extension}"))).unwrap();
    let der = certificate(house, &format!("{name}.pem"));
    let issued = Issued { cert_pem: read("pem"), key_pem: read("key"), der };
    let mut live = handshake(house.address, odd_client(house.authority.cert_pem(), Some(&issued))).await.unwrap();
    asks(&mut live).await;
    live
}

/// One request and its answer.
async fn asks(live: &mut Live) {
    live.write_all(b"GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, live.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..read]));
}

/// The other side closes.
async fn ended(live: &mut Live) {
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, live.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}
