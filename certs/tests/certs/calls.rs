//! Honest calls, and servers that are not who was called.

use crate::house::{House, Lines, PATIENCE, identity, request, standing, user};
use gorch_certs::{
    Authority, Connector, Credentials, Expect, Identity, Kind, Limits, Protocol, Request, Role, Watch, explain, serve,
    serve_plain, serve_with, service, store,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use warp::Filter;

/// A server that shows what `server` asks for, and the error a caller meets who expects `expect`.
async fn call(server: &Request, expect: Expect, host: &str) -> Result<String, (reqwest::Error, String)> {
    gorch_certs::install_provider();
    let authority = Authority::create("gorch.local").unwrap();
    let watch = Watch::fixed(standing(&authority, &authority.sign(server).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let filter = warp::any().map(|| "hello");
    tokio::spawn(serve(listener, watch, filter, CancellationToken::new(), Lines::default().logger()));

    let me = standing(&authority, &authority.sign(&Request::new(&user("me"))).unwrap()).credentials;
    let client = Connector::new(expect).client(&me).unwrap();
    match client.get(format!("https://{host}:{port}/")).send().await {
        Ok(answer) => Ok(answer.text().await.unwrap()),
        Err(error) => {
            let hint = explain(&error, &me).expect("every failure of a connection has a hint");
            Err((error, hint))
        }
    }
}

const ORCHESTRATOR: &str = "spiffe://gorch.local/gorch/orchestrator/o";
const EXECUTOR: &str = "spiffe://gorch.local/gorch/executor/e1";

#[tokio::test]
async fn the_caller_arrives_with_identity_and_roles_on_both_protocols() {
    let house = House::open().await;
    store::issue(
        house.path(),
        Kind::User,
        "alice",
        &store::Options { roles: vec![Role::Submit], ..store::Options::default() },
    )
    .unwrap();
    house.lines.wait_for(&["role map loaded"]).await;
    let at = |name: &str| house.path().join(name);
    let alice = Credentials::load(&at("ca.pem"), &at("user-alice.pem"), &at("user-alice.key")).unwrap();
    let (executor, _) = Credentials::for_executor(house.path(), "e7").unwrap();
    for (protocol, version) in [(Protocol::Http1, http::Version::HTTP_11), (Protocol::Http2, http::Version::HTTP_2)] {
        let connector = Connector::new(Expect::Kind(Kind::Orchestrator)).protocol(protocol);
        let says = async |who: &Credentials| {
            let answer = connector.client(who).unwrap().get(house.url("/whoami")).send().await.unwrap();
            assert_eq!(answer.version(), version);
            answer.text().await.unwrap()
        };
        // The listener may not have seen the new line of the role map yet.
        tokio::time::timeout(PATIENCE, async {
            while says(&alice).await != "spiffe://gorch.local/gorch/user/alice may read,submit" {}
        })
        .await
        .unwrap();
        assert_eq!(says(&executor).await, "spiffe://gorch.local/gorch/executor/e7 may executor");
    }
}

#[tokio::test]
async fn a_server_is_believed_when_kind_or_identity_is_as_expected() {
    assert_eq!(call(&request(ORCHESTRATOR), Expect::Kind(Kind::Orchestrator), "127.0.0.1").await.unwrap(), "hello");
    assert_eq!(call(&request(EXECUTOR), Expect::Identity(identity(EXECUTOR)), "localhost").await.unwrap(), "hello");
}

#[tokio::test]
async fn an_executor_cannot_pose_as_the_orchestrator() {
    let (_, hint) = call(&request(EXECUTOR), Expect::Kind(Kind::Orchestrator), "127.0.0.1").await.unwrap_err();
    assert!(hint.contains(EXECUTOR) && hint.contains("expected an identity of kind orchestrator"), "{hint}");
}

#[tokio::test]
async fn a_users_certificate_cannot_serve_at_all() {
    let server = request("spiffe://gorch.local/gorch/user/mallory");
    let (_, hint) = call(&server, Expect::Kind(Kind::Orchestrator), "127.0.0.1").await.unwrap_err();
    assert!(hint.contains("a user's certificate cannot serve"), "{hint}");
}

#[tokio::test]
async fn executor_x_must_show_a_certificate_that_names_x() {
    let x = Expect::Identity(identity("spiffe://gorch.local/gorch/executor/x"));
    let (_, hint) = call(&request(EXECUTOR), x, "127.0.0.1").await.unwrap_err();
    assert!(hint.contains("executor/e1") && hint.contains("executor/x"), "{hint}");
}

#[tokio::test]
async fn a_server_under_a_name_that_is_not_in_its_certificate_is_refused() {
    let server = Request::new(&identity(ORCHESTRATOR)).names(["elsewhere.example"]);
    let (_, hint) = call(&server, Expect::Kind(Kind::Orchestrator), "localhost").await.unwrap_err();
    assert!(hint.contains("`localhost`") && hint.contains("elsewhere.example"), "{hint}");
}

#[tokio::test]
async fn a_server_of_a_strangers_authority_is_refused_and_the_hint_names_the_folder() {
    let house = House::open().await;
    let stranger = Authority::create("gorch.local").unwrap();
    let me = standing(&stranger, &stranger.sign(&Request::new(&user("me"))).unwrap()).credentials;
    let client = Connector::new(Expect::Kind(Kind::Orchestrator)).client(&me).unwrap();
    let error = client.get(house.url("/whoami")).send().await.unwrap_err();
    let hint = explain(&error, &me).unwrap();
    assert!(hint.contains("not signed by our authority") && hint.contains("ca.pem"), "{hint}");
    house.lines.wait_for(&["the client does not believe our certificate"]).await;
}

#[tokio::test]
async fn a_client_that_is_refused_after_the_handshake_gets_a_hint_with_its_own_certificate() {
    let house = House::open().await;
    let credentials = Credentials::for_client(house.path()).unwrap();
    let revoked = house.authority.revocation_list(&[&certificate(house.path(), "client.pem")]).unwrap();
    house.put_text("crl.pem", &revoked);
    house.lines.wait_for(&["certificates reloaded"]).await;
    let client = Connector::new(Expect::Kind(Kind::Orchestrator)).client(&credentials).unwrap();
    let error = client.get(house.url("/whoami")).send().await.unwrap_err();
    let hint = explain(&error, &credentials).unwrap();
    assert!(hint.contains("user/client") && (hint.contains("refused")), "{hint}");
}

#[tokio::test]
async fn where_nothing_listens_the_hint_says_so() {
    let house = House::open().await;
    let credentials = Credentials::for_client(house.path()).unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = house.client().get(format!("https://{nobody}/")).send().await.unwrap_err();
    assert!(explain(&error, &credentials).unwrap().contains("nothing listens there"));
}

#[tokio::test]
async fn an_http_answer_is_no_failure_of_the_connection() {
    let house = House::open().await;
    let answer = house.client().get(house.url("/nothing")).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let error = answer.error_for_status().unwrap_err();
    assert_eq!(explain(&error, &Credentials::for_client(house.path()).unwrap()), None);
}

#[tokio::test]
async fn shutdown_lets_a_request_finish_and_takes_no_more() {
    let house = House::open().await;
    let client = house.client();
    let slow = tokio::spawn(client.get(house.url("/slow")).send());
    house.gate.entered.notified().await;
    house.shutdown.cancel();
    tokio::time::timeout(PATIENCE, async { while house.client().get(house.url("/whoami")).send().await.is_ok() {} })
        .await
        .unwrap();
    house.gate.open.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "at last");
    tokio::time::timeout(PATIENCE, house.done).await.unwrap().unwrap();
    house.lines.wait_for(&["listener closed"]).await;
}

#[tokio::test]
async fn after_the_drain_deadline_what_is_left_is_cut() {
    let house = House::open_with(Limits { drain: std::time::Duration::from_millis(50), ..Limits::default() }).await;
    let slow = tokio::spawn(house.client().get(house.url("/slow")).send());
    house.gate.entered.notified().await;
    house.shutdown.cancel();
    tokio::time::timeout(PATIENCE, house.done).await.unwrap().unwrap();
    assert!(slow.await.unwrap().is_err());
    house.lines.wait_for(&["drain deadline passed", "open=1"]).await;
}

#[tokio::test]
async fn a_plain_listener_serves_without_certificates_and_without_a_peer() {
    gorch_certs::install_provider();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let filter = warp::ext::optional::<gorch_certs::Peer>().map(
        |peer: Option<gorch_certs::Peer>| {
            if peer.is_some() { "somebody" } else { "nobody" }
        },
    );
    let done = tokio::spawn(serve_plain(listener, filter, shutdown.clone(), Lines::default().logger()));
    let answer = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = answer.get(format!("http://{address}/health")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "nobody");
    shutdown.cancel();
    tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap();
}

#[tokio::test]
async fn any_hyper_service_can_be_served() {
    let house = House::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let filter = service(warp::any().map(|| "through"));
    tokio::spawn(serve_with(
        listener,
        house.watch.clone(),
        filter,
        Limits::default(),
        CancellationToken::new(),
        Lines::default().logger(),
    ));
    let answer = house.client().get(format!("https://{address}/")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "through");
}

fn certificate(folder: &std::path::Path, name: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateDer::from_pem_file(folder.join(name)).unwrap().to_vec()
}

#[test]
fn the_identity_of_a_peer_is_the_one_in_its_certificate() {
    let folder = crate::house::folder();
    let der = certificate(folder.path(), "client.pem");
    assert_eq!(Identity::from_certificate(&der).unwrap(), user("client"));
}
