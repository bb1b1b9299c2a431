//! Who is turned away by a listener, each with a line of its own in the log.

use std::time::Duration;

use crate::house::{House, PATIENCE, handshake, odd_client, user};
use gorch_certs::{Authority, Issued, Limits, Refusal, Request};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Shows a certificate (or none) and expects to get nothing but the end of the connection.
async fn is_refused(house: &House, shows: Option<&Issued>, refusal: Refusal, cause: &str) {
    if let Ok(mut tls) = handshake(house.address, odd_client(house.authority.cert_pem(), shows)).await {
        // In TLS 1.3 the client learns of it only when it reads.
        let _ = tls.write_all(b"GET /whoami HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, tls.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.is_empty(), "was answered: {}", String::from_utf8_lossy(&answer));
    }
    let line = house.lines.wait_for(&[refusal.message()]).await;
    assert!(line.contains("peer=127.0.0.1:") && line.contains(cause), "{line}");
}

#[tokio::test]
async fn without_a_certificate_nobody_gets_in() {
    let house = House::open().await;
    is_refused(&house, None, Refusal::NoCertificate, "cause=").await;
}

#[tokio::test]
async fn a_strangers_authority_is_refused_even_when_it_calls_itself_like_ours() {
    let house = House::open().await;
    let stranger = Authority::create(house.authority.domain()).unwrap();
    let issued = stranger.sign(&Request::new(&user("client"))).unwrap();
    is_refused(&house, Some(&issued), Refusal::UnknownAuthority, "cause=").await;
}

#[tokio::test]
async fn a_strangers_authority_of_another_name_is_refused() {
    let house = House::open().await;
    let issued = Authority::create("elsewhere").unwrap().sign(&Request::new(&user("client"))).unwrap();
    is_refused(&house, Some(&issued), Refusal::UnknownAuthority, "cause=").await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let house = House::open().await;
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    let request = Request::new(&user("client")).valid_between(now - hour * 2, now - hour);
    let issued = house.authority.sign(&request).unwrap();
    is_refused(&house, Some(&issued), Refusal::Expired, "expired").await;
}

#[tokio::test]
async fn a_certificate_whose_time_has_not_come_is_refused() {
    let house = House::open().await;
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    let request = Request::new(&user("client")).valid_between(now + hour, now + hour * 2);
    let issued = house.authority.sign(&request).unwrap();
    is_refused(&house, Some(&issued), Refusal::NotYetValid, "not valid yet").await;
}

#[tokio::test]
async fn two_uris_fail_the_handshake_even_if_one_is_an_admin() {
    let house = House::open().await;
    let request = Request::new(&user("client")).also_naming("spiffe://gorch.local/gorch/orchestrator/o");
    let issued = house.authority.sign(&request).unwrap();
    is_refused(&house, Some(&issued), Refusal::ManyIdentities, "names 2 URIs").await;
}

#[tokio::test]
async fn a_certificate_that_names_no_uri_is_refused_whatever_its_common_name() {
    let house = House::open().await;
    let request = Request::new(&user("client")).without_identity().common_name(user("client").to_string());
    let issued = house.authority.sign(&request).unwrap();
    is_refused(&house, Some(&issued), Refusal::NoIdentity, "names no URI").await;
}

#[tokio::test]
async fn a_uri_of_another_shape_and_another_domain_are_refused() {
    let house = House::open().await;
    let shape = Request::new(&user("client")).without_identity().also_naming("https://example.org/");
    let issued = house.authority.sign(&shape).unwrap();
    is_refused(&house, Some(&issued), Refusal::StrangeIdentity, "https://example.org/").await;

    let foreign = Request::new(&crate::house::identity("spiffe://elsewhere/gorch/user/client"));
    let issued = house.authority.sign(&foreign).unwrap();
    is_refused(&house, Some(&issued), Refusal::ForeignDomain, "elsewhere").await;
}

#[tokio::test]
async fn plain_http_is_told_that_this_port_speaks_tls() {
    let house = House::open().await;
    let mut tcp = TcpStream::connect(house.address).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("speaks TLS"), "{answer}");
    drop(tcp);
    house.lines.wait_for(&[Refusal::NotTls.message(), "peer=127.0.0.1:", "0x47"]).await;
}

#[tokio::test]
async fn garbage_is_refused_and_the_listener_lives() {
    let house = House::open().await;
    for garbage in [&[0u8; 64][..], &[0xff; 70_000], b"\x16\x03\x01\xff\xff garbage", b"\x16garbage garbage garbage"] {
        let mut tcp = TcpStream::connect(house.address).await.unwrap();
        let _ = tcp.write_all(garbage).await;
        let _ = tcp.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.unwrap();
    }
    house.lines.wait_for(&[Refusal::NotTls.message(), "0x00"]).await;
    house.lines.wait_for(&[Refusal::NotTls.message(), "0xff"]).await;
    assert_eq!(house.client().get(house.url("/whoami")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let house = House::open().await;
    let issued = house.authority.sign(&Request::new(&user("client"))).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let ca = <rustls_pki_types::CertificateDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(
        house.authority.cert_pem().as_bytes(),
    );
    roots.add(ca.unwrap()).unwrap();
    let key = <rustls_pki_types::PrivateKeyDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(
        issued.key_pem.as_bytes(),
    );
    let old = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![issued.der.clone().into()], key.unwrap())
        .unwrap();
    assert!(handshake(house.address, old).await.is_err());
    house.lines.wait_for(&[Refusal::OldTls.message()]).await;
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off_and_blocks_nobody_meanwhile() {
    let house = House::open_with(Limits { handshake: Duration::from_secs(2), ..Limits::default() }).await;
    let mut silent = TcpStream::connect(house.address).await.unwrap();
    let mut halfway = TcpStream::connect(house.address).await.unwrap();
    halfway.write_all(&[0x16, 0x03]).await.unwrap();

    let answer = house.client().get(house.url("/whoami")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!house.lines.all().iter().any(|line| line.contains(Refusal::TimedOut.message())));

    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await.unwrap();
    let _ = tokio::time::timeout(PATIENCE, halfway.read_to_end(&mut rest)).await.unwrap();
    let timed_out = |line: &&String| line.contains(Refusal::TimedOut.message());
    house.lines.wait_for(&[Refusal::TimedOut.message(), "peer="]).await;
    assert_eq!(house.lines.all().iter().filter(timed_out).count(), 2);
}

#[tokio::test]
async fn more_connections_than_allowed_are_refused_and_fit_again_later() {
    let house = House::open_with(Limits { connections: 1, ..Limits::default() }).await;
    let first = TcpStream::connect(house.address).await.unwrap();
    let mut second = TcpStream::connect(house.address).await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, second.read_to_end(&mut rest)).await.unwrap();
    house.lines.wait_for(&[Refusal::TooMany.message(), "1 are open"]).await;
    drop(first);
    house.lines.wait_for(&[Refusal::Broken.message()]).await;
    tokio::time::timeout(PATIENCE, async { while house.client().get(house.url("/whoami")).send().await.is_err() {} })
        .await
        .unwrap();
}
