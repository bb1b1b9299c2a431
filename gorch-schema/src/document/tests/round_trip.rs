//! A workflow, written and read again, is the same workflow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::accepted;
use crate::digest::Digest;
use crate::document::{Engines, Limits, read, recover};
use crate::files::Files;
use crate::id::NodeId;
use crate::inputs::InputsSchema;
use crate::render;
use crate::secret::Secret;
use crate::settings::{self, Bytes, Settings};
use crate::workflow::{
    Cache, CodeGlob, Condition, Each, Edge, Engine, Fencing, IfBusy, Join, Lock, Losers, Node, OnFailure, OnLost,
    Retry, RunOptions, Undo, Workflow,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[^\\p{Cc}0-9]{1,12}"]
}

fn texts() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map(text(), text(), 0..3)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        "[^\\p{Cc}]{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[^\\p{Cc}]{0,5}", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![(1_u64..1 << 50).prop_map(Duration::from_nanos), (1_u64..3_000_000_000).prop_map(Duration::from_secs)]
}

fn retry() -> impl Strategy<Value = Retry> {
    let globs = proptest::collection::vec(proptest::sample::select(vec!["timeout*", "[ab]c", "exit_?onzero"]), 0..3);
    (1_u32..=1000, duration(), 1.0..1000.0, duration(), 0.0..=1.0, globs).prop_map(
        |(max_attempts, delay, multiplier, max_delay, jitter, on)| {
            let on = on.into_iter().map(|glob| CodeGlob::new(glob).unwrap()).collect();
            Retry { max_attempts, delay, multiplier, max_delay, jitter, on }
        },
    )
}

fn settings() -> impl Strategy<Value = Option<Box<Settings>>> {
    let statuses = proptest::sample::select(vec!["200", "2xx", "301-308"]).prop_map(|text| text.parse().unwrap());
    let headers = proptest::collection::btree_map("[a-z][a-z-]{0,5}", "[ -~]{0,6}", 0..3);
    let method = proptest::option::of(proptest::sample::select(vec!["POST", "DELETE"]).prop_map(str::to_owned));
    (method, headers, proptest::collection::vec(statuses, 0..3)).prop_map(|(method, headers, expect)| {
        Some(Box::new(Settings { method, headers, expect, ..Settings::default() }))
            .filter(|settings| !settings.is_empty())
    })
}

fn container() -> impl Strategy<Value = Option<Box<Settings>>> {
    let memory = proptest::option::of((6_u64 << 20..=1 << 40).prop_map(Bytes));
    let limits = (memory, proptest::option::of(0.01..64.0_f64), proptest::option::of(1_u32..5000));
    let limits = limits.prop_map(|(memory, cpus, pids)| settings::Limits { memory, cpus, pids });
    let limits =
        proptest::option::of(limits.prop_filter("empty is absent", |limits| *limits != settings::Limits::default()));
    let network = proptest::option::of("[a-z]{5}");
    let reference = "secret://[a-z]{3}/[a-z]{2}".prop_map(|text| text.parse().unwrap());
    let secret = (reference, any::<bool>()).prop_map(|(reference, is_file)| match is_file {
        true => Secret::File { file: reference },
        false => Secret::Variable(reference),
    });
    let secrets = proptest::collection::btree_map("[A-Z_]{8}", secret, 0..3);
    let heartbeat = proptest::option::of(duration());
    let all = (limits, network, any::<bool>(), proptest::option::of(1_u16..), secrets, heartbeat);
    all.prop_map(|(limits, network, writable, serve, secrets, heartbeat)| {
        Some(Box::new(Settings { limits, network, writable, serve, secrets, heartbeat, ..Settings::default() }))
            .filter(|settings| !settings.is_empty())
    })
}

fn given_files() -> impl Strategy<Value = Option<Box<Settings>>> {
    let digest = any::<[u8; 32]>().prop_map(Digest::from_bytes);
    let path = "[a-z]{2}/[ -.0-9é]{3}|[a-z]".prop_map(|path| path.parse().unwrap());
    proptest::collection::btree_map(path, digest, 0..4).prop_map(|files| {
        let files = Files::try_from(files).unwrap();
        Some(Box::new(Settings { files, ..Settings::default() })).filter(|settings| !settings.is_empty())
    })
}

fn playbook() -> impl Strategy<Value = Option<Box<Settings>>> {
    let object = proptest::collection::btree_map("[a-z]{1,5}", value(), 1..3).prop_map(Value::from_iter);
    let inventory = prop_oneof![object, "[a-z]{1,5}\n?".prop_map(Value::from)];
    (inventory, "[a-z]{1,5}", any::<bool>()).prop_map(|(inventory, limit, check)| {
        Some(Box::new(Settings { inventory, limit: Some(limit), check, ..Settings::default() }))
    })
}

fn work() -> impl Strategy<Value = (Engine, String, Vec<String>)> {
    let args = proptest::collection::vec("[^\\p{Cc}]{0,6}", 0..3);
    prop_oneof![
        Just((Engine::Nil, String::new(), Vec::new())),
        Just((Engine::Fail, String::new(), vec!["code".to_owned()])),
        Just((Engine::Sleep, String::new(), vec!["1.5s".to_owned()])),
        (text(), args.clone()).prop_map(|(artifact, args)| (Engine::Driver("shell".into()), artifact, args)),
        args.clone().prop_map(|args| (Engine::Driver("docker".into()), "alpine:3".to_owned(), args)),
        args.clone().prop_map(|args| (Engine::Driver("ansible".into()), "site.yml".to_owned(), args)),
        args.prop_map(|args| (Engine::Driver("http".into()), "https://example.org/".to_owned(), args)),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let maps = (texts(), texts(), texts(), proptest::collection::btree_map(text(), value(), 0..3));
    let times = (proptest::option::of(duration()), proptest::option::of(duration()), proptest::option::of(retry()));
    let target = proptest::option::of("[a-z]{1,3}-[0-9]");
    let words = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 1_u8..=5);
    let words = (words, settings(), container(), playbook(), given_files());
    (work(), maps, times, target, value(), words, flow()).prop_map(
        |(work, maps, times, target, input, (words, http, docker, ansible, shell), (each, lock, cache, undo))| {
            let settings = match work.0.name() {
                "http" => http,
                "docker" => docker,
                "ansible" => ansible,
                "shell" => shell,
                _ => None,
            };
            let (engine, artifact, args) = work;
            let driven = matches!(engine, Engine::Driver(_));
            let (env, requires, labels, outputs) = maps;
            let (timeout, deadline, retry) = times;
            let (any, idempotent, again, fenced, priority) = words;
            let env = env.into_iter().filter(|(key, _)| !key.contains('=')).collect();
            Node {
                engine,
                artifact,
                args,
                outputs,
                target,
                env,
                input,
                timeout,
                deadline,
                retry,
                join: if any { Join::Any } else { Join::All },
                priority,
                requires,
                on_lost: if again { OnLost::Retry } else { OnLost::Fail },
                fence: if fenced { Fencing::Kill } else { Fencing::Keep },
                idempotent,
                labels,
                settings,
                each: each.map(Box::new),
                lock: lock.map(Box::new),
                cache: cache.filter(|_| driven).map(Box::new),
                undo: undo.map(Box::new),
                ..Node::nil("")
            }
        },
    )
}

fn lock() -> impl Strategy<Value = Lock> {
    let if_busy = proptest::sample::select(vec![IfBusy::Wait, IfBusy::Skip, IfBusy::Fail]);
    (text(), if_busy).prop_map(|(name, if_busy)| Lock { name, if_busy })
}

fn flow() -> impl Strategy<Value = (Option<Each>, Option<Lock>, Option<Cache>, Option<Undo>)> {
    let items = prop_oneof![
        proptest::collection::vec(value(), 0..3).prop_map(Value::from),
        Just(Value::from("get_attribute n0:hosts")),
    ];
    let counts = (proptest::option::of(1_u32..9), proptest::option::of(1_u32..9));
    let each = (items, counts).prop_map(|(items, (max_parallel, need))| Each { items, max_parallel, need });
    let cache = (text(), proptest::option::of(duration())).prop_map(|(key, ttl)| Cache { key: Some(key), ttl });
    let engine = proptest::option::of(Just("shell".to_owned()));
    let undo = (engine, text(), proptest::collection::vec(text(), 0..2)).prop_map(|(engine, artifact, args)| Undo {
        engine,
        artifact,
        args,
    });
    (proptest::option::of(each), proptest::option::of(lock()), proptest::option::of(cache), proptest::option::of(undo))
}

fn when() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::Succeeded),
        Just(Condition::Failed(None)),
        Just(Condition::Failed(Some(CodeGlob::new("time*").unwrap()))),
        Just(Condition::Finished),
        text().prop_map(Condition::Chose),
    ]
}

fn options() -> impl Strategy<Value = RunOptions> {
    let inputs = proptest::collection::btree_map(text(), value().prop_filter("null is absent", |v| !v.is_null()), 0..3);
    let timeout = proptest::option::of((duration(), duration()));
    let on_failure = proptest::sample::select(vec![OnFailure::GoOn, OnFailure::Stop, OnFailure::Undo]);
    let outputs = proptest::collection::btree_map(text(), value(), 0..2);
    let more = (on_failure, proptest::option::of(lock()), outputs, any::<bool>());
    ("[a-z0-9.]{0,5}", texts(), timeout, proptest::option::of(1_u32..9), more, inputs).prop_map(
        |(namespace, labels, timeout, max_parallel, (on_failure, lock, outputs, declared), inputs)| RunOptions {
            namespace,
            labels,
            timeout: timeout.map(|(timeout, _)| timeout),
            kill_after: timeout.map(|(timeout, more)| timeout + more.min(Duration::from_hours(1))),
            max_parallel,
            on_failure,
            inputs,
            lock,
            outputs,
            inputs_schema: declared.then(|| {
                let schema = serde_json::json!({"type": "object", "properties": {"size": {"type": "integer"}}});
                Arc::new(InputsSchema::new(schema))
            }),
        },
    )
}

/// A workflow that is right: edges lead from lower ids to higher.
pub(super) fn workflow() -> impl Strategy<Value = Workflow> {
    let nodes = proptest::collection::vec(node(), 1..7);
    let edges = proptest::collection::vec((any::<u32>(), any::<u32>(), when()), 0..12);
    ("[^\\p{Cc}]{0,9}", options(), nodes, edges).prop_map(|(name, options, mut nodes, edges)| {
        let count = nodes.len() as u32;
        for (id, node) in nodes.iter_mut().enumerate() {
            node.name = format!("n{id} \"\\/~");
        }
        let mut chosen: Vec<Edge> = Vec::new();
        for (a, b, when) in edges {
            let (a, b) = (a % count, b % count);
            let edge = Edge { from: NodeId(a.min(b)), to: NodeId(a.max(b)), when };
            if a != b && !chosen.contains(&edge) {
                chosen.push(edge);
            }
        }
        for (id, node) in nodes.iter_mut().enumerate().filter(|(_, node)| node.idempotent) {
            let edges = chosen.iter().filter(|edge| edge.to.index() == id).count() as u32;
            let losers = if node.priority > 3 { Losers::Cancelled } else { Losers::GoOn };
            if edges > 0 {
                node.join = Join::Need { need: edges, losers };
            }
        }
        Workflow::new(name, options, nodes, chosen)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_rendered_workflow_reads_back_as_itself(workflow in workflow()) {
        let text = render::edges(&workflow);
        prop_assert_eq!(recover(&text), Ok(workflow.clone()), "{}", text);
        let submitted = read(text.as_bytes(), &Limits::default(), &Engines::default());
        prop_assert_eq!(submitted.map(|submission| submission.workflow), Ok(workflow), "{}", text);
    }
}

#[test]
fn the_three_pictures_of_a_graph() {
    let workflow = accepted(
        r#"{"name": "a \"b\"", "nodes": [{"name": "build"}, {"name": "poll", "join": "any"}, {"name": "c"}], "edges": [
            {"from": 0, "to": 1}, {"from": 1, "to": 1, "when": "chose:again"}, {"from": 1, "to": 2, "when": "failed:time*"},
            {"from": 1, "to": 2, "when": "finished"}, {"from": 0, "to": 2, "when": "finished"}]}"#,
    );
    insta::assert_snapshot!(render::edges(&workflow), @r#"
    {"name":"a \"b\"",
    "nodes": [
    {"id":0,"name":"build","engine":"nil"},
    {"id":1,"name":"poll","engine":"nil","join":"any"},
    {"id":2,"name":"c","engine":"nil"}],
    "edges": [
    {"from":0,"to":1},
    {"from":0,"to":2,"when":"finished"},
    {"from":1,"to":1,"when":"chose:again"},
    {"from":1,"to":2,"when":"failed:time*"},
    {"from":1,"to":2,"when":"finished"}]}
    "#);
    insta::assert_snapshot!(render::Dot(&workflow), @r#"
    digraph "a \"b\"" {
      0 [label="build\nnil", shape=box];
      1 [label="poll\nnil", shape=diamond];
      2 [label="c\nnil", shape=box];
      0 -> 1;
      0 -> 2 [label="finished", style=dotted];
      1 -> 1 [label="chose:again", style=dotted];
      1 -> 2 [label="failed:time*", color=red, style=dashed];
      1 -> 2 [label="finished", style=dotted];
    }
    "#);
    insta::assert_snapshot!(render::Matrix(&workflow), @r"
    build  . 1 f
    poll   . c *
    c      . . .
    ");
}
