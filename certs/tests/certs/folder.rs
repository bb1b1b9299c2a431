//! The certs folder on disk: what is made, what is kept, what is found wrong.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use gorch_certs::credentials::{self, Warning};
use gorch_certs::show::show;
use gorch_certs::store::{self, Error, Made, Options, RoleFile, init, init_for, issue};
use gorch_certs::{Authority, Credentials, Issued, Kind, Origin, Request, Role, RoleMap, Roles};
use jiff::{SignedDuration, Timestamp};

use crate::house::{folder, identity, user};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn put(dir: &Path, name: &str, issued: &Issued) {
    fs::write(dir.join(format!("{name}.pem")), &issued.cert_pem).unwrap();
    fs::write(dir.join(format!("{name}.key")), &issued.key_pem).unwrap();
}

fn load(dir: &Path, name: &str) -> Result<Credentials, credentials::Error> {
    let at = |file: String| dir.join(file);
    Credentials::load(&at("ca.pem".into()), &at(format!("{name}.pem")), &at(format!("{name}.key")))
}

#[test]
fn a_new_folder_holds_all_that_is_needed_with_keys_for_the_owner_only() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deep/certs");
    let made = init(&dir).unwrap();
    let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "ca.key",
        "ca.pem",
        "client.key",
        "client.pem",
        "executor.key",
        "executor.pem",
        "orchestrator.key",
        "orchestrator.pem",
        "roles.toml",
    ];
    assert_eq!(names, expected);
    assert_eq!(mode(&dir), 0o700);
    for made in &made {
        let Made::Created(path) = made else { panic!("{made:?} in a new folder") };
        let secret = path.extension().unwrap() == "key";
        assert_eq!(mode(path), if secret { 0o600 } else { 0o644 }, "{path:?}");
    }
    assert_eq!(made.len(), expected.len());
    assert_eq!(Credentials::for_client(&dir).unwrap().identity(), &user("client"));
    assert!(Credentials::for_orchestrator(&dir).unwrap().warnings().is_empty());
    let roles = RoleMap::load(&dir.join("roles.toml")).unwrap();
    assert_eq!(roles.roles_of(&user("client")), Roles::of_users());
    assert_eq!(roles.roles_of(&user("other")), Roles::NONE);
}

#[test]
fn calling_it_again_changes_no_byte_and_says_so() {
    let dir = folder();
    let read = || {
        let mut all: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = read();
    assert!(init(dir.path()).unwrap().iter().all(|made| matches!(made, Made::Kept(_))));
    assert_eq!(read(), before);
}

#[test]
fn what_is_missing_is_added_with_the_same_authority() {
    let dir = folder();
    for name in ["client.pem", "client.key"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let made = init(dir.path()).unwrap();
    assert_eq!(made.iter().filter(|made| matches!(made, Made::Created(_))).count(), 2);
    Credentials::for_client(dir.path()).unwrap();
}

#[test]
fn half_a_pair_is_never_completed() {
    for (missing, found) in [("client.key", "client.pem"), ("client.pem", "client.key"), ("ca.pem", "orchestrator.pem")]
    {
        let dir = folder();
        fs::remove_file(dir.path().join(missing)).unwrap();
        let message = init(dir.path()).unwrap_err().to_string();
        assert!(message.contains(found) && message.contains(missing), "{missing}: {message}");
        assert!(!dir.path().join(missing).exists());
    }
}

#[test]
fn a_complete_folder_without_the_authoritys_key_is_kept() {
    let dir = folder();
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    init(dir.path()).unwrap();
    assert!(matches!(issue(dir.path(), Kind::User, "a", &Options::default()), Err(Error::Authority(_))));
}

#[test]
fn folders_made_at_once_by_several_processes_fit_together() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("certs");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| init(&dir).unwrap());
        }
    });
    Credentials::for_orchestrator(&dir).unwrap();
    Credentials::for_client(&dir).unwrap();
}

#[test]
fn a_service_can_be_reached_by_the_names_of_this_machine_and_those_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    init_for(dir.path(), "example.org", &["gorch.example.org".into(), "10.1.2.3".into()]).unwrap();
    let facts = Credentials::for_orchestrator(dir.path()).unwrap().facts().clone();
    for name in ["DNS:localhost", "IP:127.0.0.1", "IP:::1", "DNS:gorch.example.org", "IP:10.1.2.3"] {
        assert!(facts.names.iter().any(|found| found == name), "no {name} in {:?}", facts.names);
    }
    assert_eq!(facts.identity.unwrap().domain(), "example.org");
    let days = facts.not_after.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((396..=397).contains(&days), "{days}");
    assert!(matches!(init_for(tempfile::tempdir().unwrap().path(), "Not A Domain", &[]), Err(Error::Authority(_))));
}

#[test]
fn an_issued_user_gets_the_roles_asked_for_and_the_old_lines_stay() {
    let dir = folder();
    let options = Options { roles: vec![Role::Submit, Role::Cancel], ..Options::default() };
    let issued = issue(dir.path(), Kind::User, "alice", &options).unwrap();
    assert_eq!(issued.roles.to_string(), "read,submit,cancel");
    assert_eq!(issued.role_map, RoleFile::Extended);
    assert_eq!(mode(&issued.key), 0o600);
    assert!(issued.cert.ends_with("user-alice.pem"));
    let roles = RoleMap::load(&dir.path().join("roles.toml")).unwrap();
    assert_eq!(roles.roles_of(&user("client")), Roles::of_users());
    assert_eq!(load(dir.path(), "user-alice").unwrap().identity(), &user("alice"));

    assert!(matches!(issue(dir.path(), Kind::User, "alice", &options), Err(Error::Exists { .. })));
    assert!(matches!(issue(dir.path(), Kind::Executor, "e", &options), Err(Error::FixedRoles { .. })));
    assert!(matches!(issue(dir.path(), Kind::User, "../../x", &Options::default()), Err(Error::Identity(_))));
    assert_eq!(issue(dir.path(), Kind::User, "bob", &Options::default()).unwrap().roles, Roles::NONE);
}

#[test]
fn the_first_role_line_closes_an_open_folder_and_says_so() {
    let dir = folder();
    fs::remove_file(dir.path().join("roles.toml")).unwrap();
    let options = Options { roles: vec![Role::Read], ..Options::default() };
    assert_eq!(issue(dir.path(), Kind::User, "a", &options).unwrap().role_map, RoleFile::Created);
    assert_eq!(RoleMap::load(&dir.path().join("roles.toml")).unwrap().roles_of(&user("client")), Roles::NONE);
}

#[test]
fn an_executor_finds_its_certificate_or_is_issued_one_or_is_told_how() {
    let dir = folder();
    let (shared, origin) = Credentials::for_executor(dir.path(), "executor").unwrap();
    assert_eq!(origin, Origin::Found(dir.path().join("executor.pem")));
    assert_eq!(shared.identity().name(), "executor");

    let own = dir.path().join("executor-e1.pem");
    assert_eq!(Credentials::for_executor(dir.path(), "e1").unwrap().1, Origin::Issued(own.clone()));
    assert_eq!(Credentials::for_executor(dir.path(), "e1").unwrap().1, Origin::Found(own));

    fs::remove_file(dir.path().join("ca.key")).unwrap();
    let message = Credentials::for_executor(dir.path(), "e2").unwrap_err().to_string();
    assert!(message.contains("`executor.pem` names `spiffe://gorch.local/gorch/executor/executor`"), "{message}");
    assert!(message.contains("gorch certs issue executor e2 --dir "), "{message}");
    assert!(matches!(Credentials::for_executor(dir.path(), "../x"), Err(credentials::Error::Name { .. })));
}

#[test]
fn an_executors_file_that_names_another_is_refused() {
    let dir = folder();
    let authority = Authority::load(dir.path()).unwrap();
    put(dir.path(), "executor-e1", &authority.sign(&Request::new(&user("e1"))).unwrap());
    let error = Credentials::for_executor(dir.path(), "e1").unwrap_err();
    assert!(matches!(error, credentials::Error::NotExpected { .. }), "{error}");
    put(dir.path(), "orchestrator", &authority.sign(&Request::new(&user("o"))).unwrap());
    assert!(matches!(Credentials::for_orchestrator(dir.path()), Err(credentials::Error::NotExpected { .. })));
}

#[test]
fn without_client_pem_the_only_user_is_the_client() {
    let dir = folder();
    for name in ["client.pem", "client.key"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let message = Credentials::for_client(dir.path()).unwrap_err().to_string();
    assert!(message.contains("no `user-NAME.pem`") && message.contains("gorch certs issue user"), "{message}");
    issue(dir.path(), Kind::User, "alice", &Options::default()).unwrap();
    assert_eq!(Credentials::for_client(dir.path()).unwrap().identity(), &user("alice"));
    issue(dir.path(), Kind::User, "bob", &Options::default()).unwrap();
    let message = Credentials::for_client(dir.path()).unwrap_err().to_string();
    assert!(message.contains("2 of users (user-alice.pem, user-bob.pem)"), "{message}");
}

#[test]
fn each_way_in_which_files_are_wrong_has_its_own_words_and_the_path() {
    let dir = folder();
    let authority = Authority::load(dir.path()).unwrap();
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    let at = |name: &str| dir.path().join(name);
    let says = |name: &str| load(dir.path(), name).unwrap_err().to_string();

    assert!(says("nobody").contains("no file `") && says("nobody").contains("nobody.pem"));

    fs::copy(at("client.key"), at("swapped.pem")).unwrap();
    fs::copy(at("client.pem"), at("swapped.key")).unwrap();
    assert!(says("swapped").contains("swapped.pem` holds only PRIVATE KEY (expected a CERTIFICATE block)"));
    fs::copy(at("client.pem"), at("swapped.pem")).unwrap();
    assert!(says("swapped").contains("swapped.key` holds only CERTIFICATE (expected a PRIVATE KEY block)"));
    fs::copy(at("executor.key"), at("swapped.key")).unwrap();
    assert!(says("swapped").contains("swapped.key` does not belong to certificate `"));
    fs::write(at("swapped.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    assert!(says("swapped").contains("swapped.key` holds a private key that cannot be read"));
    fs::write(at("swapped.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
    assert!(says("swapped").contains("swapped.key` is not well-formed PEM"));

    let old = Request::new(&user("old")).valid_between(now - hour * 2, now - hour);
    put(dir.path(), "old", &authority.sign(&old).unwrap());
    assert!(says("old").contains("old.pem` expired at "));
    let early = Request::new(&user("early")).valid_between(now + hour, now + hour * 2);
    put(dir.path(), "early", &authority.sign(&early).unwrap());
    assert!(says("early").contains("early.pem` is not valid before "));

    let stranger = Authority::create("gorch.local").unwrap();
    put(dir.path(), "strange", &stranger.sign(&Request::new(&user("s"))).unwrap());
    assert!(says("strange").contains("strange.pem` is not believed by authority `"));
    put(dir.path(), "two", &authority.sign(&Request::new(&user("a")).also_naming("urn:b")).unwrap());
    assert!(says("two").contains("two.pem` names no identity of ours"));

    fs::write(at("ca.pem"), "").unwrap();
    assert!(says("client").contains("ca.pem` holds no PEM block"));
}

#[test]
fn a_key_that_others_can_read_and_an_end_that_is_near_are_warnings() {
    let dir = folder();
    let key = dir.path().join("client.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let loaded = Credentials::for_client(dir.path()).unwrap();
    assert_eq!(loaded.warnings(), [Warning::KeyReadable { path: key, mode: 0o640 }]);
    assert!(loaded.warnings()[0].to_string().contains("has mode 0640 (expected 0600)"));

    let brief = Options { validity: Duration::from_secs(3600), ..Options::default() };
    issue(dir.path(), Kind::User, "brief", &brief).unwrap();
    let loaded = load(dir.path(), "user-brief").unwrap();
    assert!(matches!(loaded.warnings(), [Warning::EndsSoon { .. }]), "{:?}", loaded.warnings());
}

#[test]
fn an_authority_signs_for_its_own_domain_only_and_survives_being_loaded() {
    let dir = folder();
    let authority = Authority::load(dir.path()).unwrap();
    assert_eq!(authority.domain(), store::DEFAULT_DOMAIN);
    let foreign = identity("spiffe://elsewhere/gorch/user/a");
    assert!(authority.issue(&foreign, &[], Duration::from_secs(60)).is_err());
    assert!(authority.issue(&user("a"), &["not a host".into()], Duration::from_secs(60)).is_err());
    let other = Authority::create("gorch.local").unwrap();
    fs::write(dir.path().join("ca.key"), other.key_pem()).unwrap();
    let message = Authority::load(dir.path()).err().unwrap().to_string();
    assert!(message.contains("ca.key` is not the key of `"), "{message}");
    assert!(!format!("{:?}", authority.sign(&Request::new(&user("a"))).unwrap()).contains("PRIVATE"));
}

#[test]
fn everything_in_a_folder_is_shown_with_all_its_problems() {
    let dir = folder();
    assert!(show(dir.path()).unwrap().iter().all(|shown| shown.problems.is_empty()), "{:#?}", show(dir.path()));

    let authority = Authority::load(dir.path()).unwrap();
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    let old = Request::new(&user("old")).valid_between(now - hour * 2, now - hour).also_naming("urn:b");
    put(dir.path(), "user-old", &authority.sign(&old).unwrap());
    fs::copy(dir.path().join("client.key"), dir.path().join("executor.key")).unwrap();
    fs::remove_file(dir.path().join("orchestrator.key")).unwrap();
    fs::write(dir.path().join("zero.pem"), "").unwrap();
    let client = show(&dir.path().join("client.pem")).unwrap().remove(0);
    let certificate = client.certificate.unwrap();
    assert_eq!(certificate.identity, Some(user("client")));
    assert_eq!(certificate.roles, Some(Roles::of_users()));
    assert_eq!(certificate.fingerprint.len(), 32 * 3 - 1);

    let shown = show(dir.path()).unwrap();
    let problems = |name: &str| shown.iter().find(|shown| shown.path.ends_with(name)).unwrap().problems.join(" | ");
    let old = problems("user-old.pem");
    assert!(old.contains("expired at ") && old.contains("2 URIs") && old.contains("has mode 0644"), "{old}");
    assert!(problems("executor.pem").contains("is not its private key"));
    assert!(problems("orchestrator.pem").contains("no file `"));
    assert!(problems("zero.pem").contains("holds no PEM block"));
    assert_eq!(problems("ca.pem"), "");
    assert!(show(&dir.path().join("nothing")).is_err());
}

#[test]
fn a_key_is_that_of_any_authority_of_its_folder() {
    let (dir, other) = (folder(), folder());
    let text = |of: &Path| fs::read_to_string(of.join("ca.pem")).unwrap();
    let (own, another) = (text(dir.path()), text(other.path()));
    let problems = || show(&dir.path().join("ca.pem")).unwrap().remove(0).problems;
    fs::write(dir.path().join("ca.pem"), another.clone() + &own).unwrap();
    assert_eq!(problems(), Vec::<String>::new());
    fs::write(dir.path().join("ca.pem"), another).unwrap();
    assert!(problems()[0].contains("is not its private key"));
}

#[test]
fn what_is_renewed_has_its_names_and_those_that_were_asked_for_and_is_believed() {
    let dir = folder();
    let dir = dir.path();
    issue(dir, Kind::Executor, "e1", &Options { names: vec!["e1.example".into()], ..Options::default() }).unwrap();
    let month = Duration::from_secs(30 * 24 * 3600);
    issue(dir, Kind::User, "bob", &Options { validity: month, ..Options::default() }).unwrap();
    let before = Credentials::for_orchestrator(dir).unwrap();
    assert!(!before.facts().is_of_host("10.0.0.1"));
    // Told again with a name, the pair is kept; and that it lacks the name is said.
    let made = init_for(dir, "gorch.local", &["10.0.0.1".to_owned()]).unwrap();
    let wanting: Vec<_> = made.iter().filter(|made| matches!(made, Made::Wanting(..))).collect();
    let lacks = |file: &str| Made::Wanting(dir.join(file), "does not hold `10.0.0.1`".into());
    assert_eq!(wanting, [&lacks("orchestrator.pem"), &lacks("executor.pem")]);

    let renewed = store::renew(dir, &["10.0.0.1".to_owned()]).unwrap();
    let files: Vec<_> = renewed.iter().map(|one| one.cert.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(files, ["client.pem", "executor-e1.pem", "executor.pem", "orchestrator.pem", "user-bob.pem"]);
    let after = Credentials::for_orchestrator(dir).unwrap();
    assert_eq!(after.identity(), before.identity());
    assert_ne!(after.fingerprint(), before.fingerprint());
    for host in ["10.0.0.1", "LocalHost", "127.0.0.1", "[::1]"] {
        assert!(after.facts().is_of_host(host), "{host}: {:?}", after.facts().names);
    }
    assert!(!after.facts().is_of_host("10.0.0.2"));
    assert!(Credentials::for_executor(dir, "e1").unwrap().0.facts().is_of_host("e1.example"));
    assert_eq!(Credentials::for_client(dir).unwrap().facts().hosts().count(), 0, "users have no names");
    let bob = renewed.last().unwrap();
    assert!((bob.not_after.duration_since(bob.ended)).as_hours() < 24, "as long as before");
    assert_eq!(mode(&dir.join("orchestrator.key")), 0o600);
    assert!(show(dir).unwrap().iter().all(|shown| shown.problems.is_empty()));
    assert!(init(dir).unwrap().iter().all(|made| matches!(made, Made::Kept(_))));
}

#[test]
fn a_pair_that_is_renewed_stays_its_owners() {
    let dir = folder();
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        return;
    }
    for file in ["orchestrator.pem", "orchestrator.key"] {
        chown(dir.path().join(file), Some(65534), Some(65534)).unwrap();
    }
    store::renew(dir.path(), &[]).unwrap();
    for file in ["orchestrator.pem", "orchestrator.key"] {
        let seen = fs::metadata(dir.path().join(file)).unwrap();
        assert_eq!((seen.uid(), seen.gid()), (65534, 65534), "{file}");
    }
}
