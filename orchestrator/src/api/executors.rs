//! Executors: who works for this orchestrator, and how one registers.
//!
//! Owns the checks of a registration, and the way by which an operator lets one go home. Promises: an executor speaks only for itself; what is registered can be used.

use std::collections::BTreeMap;
use std::time::Duration;

use gorch_certs::Kind;
use gorch_schema::view::{ExecutorList, ExecutorView};
use gorch_schema::work::{Drain, Registered, Registration};
use gorch_schema::{ExecutorName, Problem, Timestamp};

use super::problem::{Answer, Trouble};
use super::query::{duration, wrong};
use super::route::Call;
use super::{reply, text};
use crate::clock::now;

/// No deadline of a drain is later.
const LONGEST_DRAIN: Duration = Duration::from_hours(30 * 24);
const MOST_SLOTS: u32 = 100_000;
const MOST_ENTRIES: usize = 1_000;
const LONGEST: usize = 256;

/// List executors
#[utoipa::path(
    get, path = "/v1/executors", operation_id = "list_executors", tag = "executors",
    responses((status = 200, description = "Every executor that ever registered, by name", body = ExecutorList))
)]
pub(super) async fn list(call: Call) -> Answer {
    let executors = call.house.handle.executors().await?;
    Ok(reply::json(&ExecutorList { executors }))
}

/// Register an executor, or beat
///
/// The certificate must name the executor of the path.
#[utoipa::path(
    put, path = "/v1/executors/{name}", operation_id = "register_executor", tag = "executors",
    params(("name" = String, Path, description = "The executor's name: what its certificate says")),
    request_body(content = Registration, example = json!({"url": "https://10.0.0.7:8585", "engines": ["shell"],
        "labels": {"gpu": "yes"}, "targets": [], "slots": 4, "boot": "1", "draining": false})),
    responses(
        (status = 200, description = "Registered; beat again in time", body = Registered),
        (status = 400, description = "`bad_json`, `bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`bad_registration`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn register(mut call: Call) -> Answer {
    let name = call.places.first().cloned().unwrap_or_default();
    let own = &call.peer.identity;
    if own.kind() != Kind::Executor || own.name() != name {
        let detail = format!("`{own}` cannot register executor `{}` (expected its own name)", text::cut(&name));
        return Err(Trouble::new("wrong_identity", detail));
    }
    let name: ExecutorName = name.parse().map_err(|error: gorch_schema::id::NotAnId| bad(error.to_string()))?;
    let registration: Registration = call.body.json("a registration").await?;
    check(&registration)?;
    let not_after = Timestamp::from_millis(call.peer.not_after.as_millisecond());
    Ok(reply::json(&call.house.handle.register(name, registration, not_after).await?))
}

/// Let an executor end what it has
///
/// Nothing new is offered to it, by any orchestrator of the store, also after restarts; what waits there goes to others at
/// once. It hears of it with its next beat. With a deadline, what still runs then is stopped: it fails with `drained`, and
/// the node's `on_lost` decides. Its state is `draining` until nothing is left, and `drained` from then on. Again, with
/// another deadline or none, replaces the one before.
#[utoipa::path(
    post, path = "/v1/executors/{name}/drain", operation_id = "drain_executor", tag = "executors",
    params(
        ("name" = String, Path, description = "The executor's name"),
        ("deadline" = Option<String>, Query, description = "How long what runs may go on: `10m`; absent: as long as it takes"),
    ),
    responses(
        (status = 200, description = "Durable; the executor as it is known now", body = ExecutorView),
        (status = 400, description = "`bad_request`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: it never registered", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn drain(call: Call) -> Answer {
    let read = |text| match duration(text) {
        Some(time) if time <= LONGEST_DRAIN => Ok(time),
        Some(_) | None => Err(wrong("deadline", text, "a duration such as 10m, 30 days at most")),
    };
    let deadline = call.query.get("deadline").map(read).transpose()?;
    let until = deadline.map(|time| now().after(time));
    tell(call, Some(Drain { until })).await
}

/// Let an executor work again
///
/// Takes a drain back; it hears of it with its next beat. What was stopped stays so.
#[utoipa::path(
    post, path = "/v1/executors/{name}/undrain", operation_id = "undrain_executor", tag = "executors",
    params(("name" = String, Path, description = "The executor's name")),
    responses(
        (status = 200, description = "Durable; the executor as it is known now", body = ExecutorView),
        (status = 404, description = "`not_found`: it never registered", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn undrain(call: Call) -> Answer {
    tell(call, None).await
}

async fn tell(call: Call, drain: Option<Drain>) -> Answer {
    let given = call.places.first().cloned().unwrap_or_default();
    let never = || Trouble::new("not_found", format!("executor `{}` never registered here", text::cut(&given)));
    let name: ExecutorName = given.parse().map_err(|_| never())?;
    call.house.handle.drain(name.clone(), drain).await?;
    let executors = call.house.handle.executors().await?;
    Ok(reply::json(&executors.into_iter().find(|executor| executor.name == name).ok_or_else(never)?))
}

fn check(registration: &Registration) -> Result<(), Trouble> {
    let Registration { url, engines, labels, targets, slots, boot, folder, moved_in, draining: _, drained: _ } =
        registration;
    let parsed = reqwest::Url::parse(url).ok().filter(|parsed| {
        parsed.scheme() == "https" && parsed.has_host() && parsed.query().is_none() && parsed.fragment().is_none()
    });
    if parsed.is_none_or(|parsed| !parsed.username().is_empty() || parsed.password().is_some()) || url.len() > LONGEST {
        return Err(bad(format!("the url is `{}` (expected `https://HOST:PORT`)", text::cut(url))));
    }
    if !(1..=MOST_SLOTS).contains(slots) {
        return Err(bad(format!("{slots} slots (expected 1 to {MOST_SLOTS})")));
    }
    if engines.is_empty() || engines.len() > MOST_ENTRIES {
        return Err(bad(format!("{} engines (expected 1 to {MOST_ENTRIES})", engines.len())));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.');
    let is_word = |engine: &&String| !(1..=64).contains(&engine.len()) || !engine.bytes().all(plain);
    if let Some(engine) = engines.iter().find(is_word) {
        return Err(bad(format!("the engine `{}` (expected 1 to 64 of a-z 0-9 . _ -)", text::cut(engine))));
    }
    check_labels(labels)?;
    if let Some(target) = targets.iter().find(|target| target.is_empty() || target.len() > LONGEST) {
        return Err(bad(format!("the target `{}` (expected 1 to {LONGEST} bytes)", text::cut(target))));
    }
    if targets.len() > MOST_ENTRIES {
        return Err(bad(format!("{} targets (expected {MOST_ENTRIES} at most)", targets.len())));
    }
    if let Some(folder) = folder.as_ref().filter(|folder| !(1..=LONGEST).contains(&folder.len())) {
        return Err(bad(format!("a folder of {} bytes (expected 1 to {LONGEST})", folder.len())));
    }
    if moved_in.is_some() {
        return Err(bad("it names `moved_in`, which orchestrators find out".to_owned()));
    }
    if boot.is_empty() || boot.len() > LONGEST {
        return Err(bad(format!("a boot of {} bytes (expected 1 to {LONGEST})", boot.len())));
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), Trouble> {
    if labels.len() > MOST_ENTRIES {
        return Err(bad(format!("{} labels (expected {MOST_ENTRIES} at most)", labels.len())));
    }
    match labels.iter().find(|(key, value)| key.is_empty() || key.len() > LONGEST || value.len() > LONGEST) {
        Some((key, _)) => {
            Err(bad(format!("the label `{}` (expected key and value of {LONGEST} bytes at most)", text::cut(key))))
        }
        None => Ok(()),
    }
}

fn bad(detail: String) -> Trouble {
    Trouble::new("bad_registration", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_cannot_be_used_is_named() {
        let right = Registration {
            url: "https://127.0.0.1:8585".into(),
            engines: vec!["shell".into()],
            labels: BTreeMap::new(),
            targets: vec![],
            slots: 4,
            boot: "b".into(),
            folder: None,
            moved_in: None,
            draining: false,
            drained: false,
        };
        assert!(check(&right).is_ok());
        let told = |wrong: Registration| check(&wrong).unwrap_err().problem().to_string();
        let told = [
            told(Registration { url: "http://127.0.0.1:8585".into(), ..right.clone() }),
            told(Registration { slots: 0, ..right.clone() }),
            told(Registration { engines: vec![], ..right.clone() }),
            told(Registration { engines: vec!["Shell!".into()], ..right.clone() }),
            told(Registration { labels: BTreeMap::from([(String::new(), "x".into())]), ..right.clone() }),
            told(Registration { targets: vec![String::new()], ..right.clone() }),
            told(Registration { folder: Some(String::new()), ..right.clone() }),
            told(Registration { moved_in: Some(gorch_schema::Timestamp::default()), ..right.clone() }),
            told(Registration { boot: String::new(), ..right }),
        ];
        insta::assert_snapshot!(told.join("\n"), @"
        the url is `http://127.0.0.1:8585` (expected `https://HOST:PORT`) [bad_registration]
        0 slots (expected 1 to 100000) [bad_registration]
        0 engines (expected 1 to 1000) [bad_registration]
        the engine `Shell!` (expected 1 to 64 of a-z 0-9 . _ -) [bad_registration]
        the label `` (expected key and value of 256 bytes at most) [bad_registration]
        the target `` (expected 1 to 256 bytes) [bad_registration]
        a folder of 0 bytes (expected 1 to 256) [bad_registration]
        it names `moved_in`, which orchestrators find out [bad_registration]
        a boot of 0 bytes (expected 1 to 256) [bad_registration]
        ");
    }
}
