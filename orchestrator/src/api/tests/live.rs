//! The live document.

use gorch_schema::AttemptResult;
use gorch_schema::view::NodeView;
use serde_json::{Value, json};

use super::executor::Fake;
use super::stand::Stand;

/// The same every time: ids and instants are replaced.
fn steady(text: &str, run: &str) -> String {
    let mut value: Value = serde_json::from_str(&text.replace(run, "RUN")).unwrap();
    hide_dates(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}

fn hide_dates(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide_dates),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name.ends_with("_date") || name == "retry_at" {
                    *field = "DATE".into();
                }
                hide_dates(field);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn a_run_that_ended_is_shown_with_its_outputs_and_its_failure() {
    let stand = Stand::open().await;
    let run = stand
        .run(
            r#"{"name": "demo", "labels": {"team": "web"}, "digraph": [0,1,0, 0,0,1, 0,0,0],
            "nodes": [{"id": 2, "name": "never"}, {"id": 0, "name": "give", "input": {"x": 1}, "output": {"x": ""}},
                      {"id": 1, "name": "fails", "engine": "fail", "args": ["boom", "it had to"]}]}"#,
        )
        .await;
    let text = stand.get(&format!("/v1/tasks/{run}")).await.text();
    insta::assert_snapshot!(steady(&text, &run), @r#"
    {
      "counts": {
        "canceled": 0,
        "failure": 1,
        "initial": 0,
        "notrunnable": 1,
        "running": 0,
        "success": 1,
        "timeout": 0,
        "torun": 0
      },
      "digraph": [
        0,
        3,
        0,
        0,
        0,
        4,
        0,
        0,
        0
      ],
      "failure": {
        "code": "boom",
        "message": "node `fails`: it had to"
      },
      "id": "RUN",
      "labels": {
        "team": "web"
      },
      "name": "demo",
      "nodes": [
        {
          "args": [],
          "artifact": "",
          "engine": "nil",
          "graph_id": "RUN",
          "id": 0,
          "name": "give",
          "outcome": "succeeded",
          "output": {
            "x": 1
          },
          "start_date": "DATE",
          "state": 3,
          "stop_date": "DATE",
          "target": "",
          "visits": 1
        },
        {
          "args": [
            "boom",
            "it had to"
          ],
          "artifact": "",
          "attempts": 1,
          "engine": "fail",
          "failure": {
            "code": "boom",
            "message": "it had to"
          },
          "graph_id": "RUN",
          "id": 1,
          "name": "fails",
          "outcome": "failed",
          "output": {},
          "start_date": "DATE",
          "state": 4,
          "stop_date": "DATE",
          "target": "",
          "visits": 1
        },
        {
          "args": [],
          "artifact": "",
          "engine": "nil",
          "graph_id": "RUN",
          "id": 2,
          "name": "never",
          "outcome": "skipped",
          "output": {},
          "state": 5,
          "target": ""
        }
      ],
      "outcome": "failed",
      "start_date": "DATE",
      "state": 4,
      "stop_date": "DATE"
    }
    "#);
}

#[tokio::test]
async fn a_cell_shows_the_state_of_its_row_and_one_while_that_waits() {
    let stand = Stand::open().await;
    let run = stand
        .submit(
            r#"{"digraph": [0,1,0,0, 0,0,1,0, 0,0,0,1, 0,0,0,0],
            "nodes": [{"id": 0}, {"id": 1, "engine": "shell", "artifact": "x"}, {"id": 2}, {"id": 3}]}"#,
        )
        .await;
    let view: Value = stand.get(&format!("/v1/tasks/{run}")).await.json();
    assert_eq!(view["digraph"], json!([0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
    let states: Vec<_> = view["nodes"].as_array().unwrap().iter().map(|node| node["state"].clone()).collect();
    assert_eq!(states, [3, 1, 0, 0]);
    assert_eq!((&view["state"], &view["counts"]["initial"], view.get("outcome")), (&json!(2), &json!(2), None));
}

#[tokio::test]
async fn a_large_graph_is_shown_with_edges_and_with_a_digraph_where_it_is_asked_for() {
    let stand = Stand::open().await;
    let count = 2_001;
    let nodes: Vec<Value> = (0..count).map(|id| json!({"id": id})).collect();
    let edges: Vec<Value> = (1..count)
        .map(|id| json!({"from": 0, "to": id, "when": if id == 7 { "failed" } else { "succeeded" }}))
        .collect();
    let run = stand.run(&json!({"nodes": nodes, "edges": edges}).to_string()).await;
    let view: Value = stand.get(&format!("/v1/tasks/{run}")).await.json();
    assert_eq!((view.get("digraph"), view["nodes"].as_array().unwrap().len()), (None, count));
    assert_eq!(view["edges"][5], json!({"from": 0, "to": 6, "when": "succeeded", "fired": true}));
    assert_eq!(view["edges"][6], json!({"from": 0, "to": 7, "when": "failed", "fired": false}));
    assert_eq!((&view["counts"]["success"], &view["counts"]["notrunnable"]), (&json!(count - 1), &json!(1)));
    let view: Value = stand.get(&format!("/v1/tasks/{run}?digraph=true")).await.json();
    let cells = view["digraph"].as_array().unwrap();
    assert_eq!((cells.len(), &cells[0], &cells[1], &cells[count]), (count * count, &json!(0), &json!(3), &json!(0)));
}

#[tokio::test]
async fn the_state_of_a_run_follows_it_step_by_step() {
    let stand = Stand::open().await;
    let fake = Fake::register(&stand, "e1", 2).await;
    let run = stand
        .submit(
            r#"{"nodes": [{"name": "one", "engine": "shell", "artifact": "x"}, {"name": "two", "engine": "shell", "artifact": "x"}],
            "edges": [{"from": 0, "to": 1}]}"#,
        )
        .await;
    let state = async || {
        let answer = stand.get(&format!("/v1/tasks/{run}?view=state")).await;
        (answer.header("etag").to_owned(), answer.json::<gorch_schema::view::RunSummary>().counts)
    };
    fake.has("one").await;
    let (first, counts) = state().await;
    assert_eq!((counts.running, counts.success), (1, 0));
    fake.end("one", &AttemptResult::succeeded(Value::Null));
    fake.has("two").await;
    let (second, counts) = state().await;
    assert_eq!((counts.running, counts.success), (1, 1));
    assert_ne!(first, second, "a cached answer is not taken for the new one");
    let listed: gorch_schema::view::RunList = stand.get("/v1/tasks").await.json();
    assert_eq!(listed.tasks[0].counts, counts);
    fake.end("two", &AttemptResult::succeeded(Value::Null));
    stand.ended(&run).await;
}

#[tokio::test]
async fn a_node_is_shown_with_its_visits_and_attempts() {
    let stand = Stand::open().await;
    let fake = Fake::register(&stand, "e1", 2).await;
    let run = stand
        .submit(
            r#"{"nodes": [{"id": 0, "name": "a/b c"}, {"id": 1, "name": "job", "engine": "shell", "artifact": "x",
            "output": {"v": ""}, "retry": {"max_attempts": 2, "delay": "1ms"}}], "edges": [{"from": 0, "to": 1}]}"#,
        )
        .await;
    fake.has("job").await;
    let shown: NodeView = stand.get(&format!("/v1/tasks/{run}/nodes/1")).await.json();
    assert_eq!((shown.node.state, shown.visits[0].attempts.len(), shown.visits[0].state.as_str()), (2, 1, "running"));
    fake.end("job", &AttemptResult::failed(gorch_schema::Failure::new("exit_nonzero", "exit code 3")));
    let two = async {
        while stand.get(&format!("/v1/tasks/{run}/nodes/job")).await.json::<NodeView>().node.attempts < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::stand::PATIENCE, two).await.unwrap();
    fake.has("job").await;
    fake.end(
        "job",
        &AttemptResult { dropped: vec!["w".into()], ..AttemptResult::succeeded(json!({"v": "1", "exit_code": 0})) },
    );
    stand.ended(&run).await;
    let text = stand.get(&format!("/v1/tasks/{run}/nodes/job")).await.text();
    insta::assert_snapshot!(steady(&text, &run), @r#"
    {
      "node": {
        "args": [],
        "artifact": "x",
        "attempts": 2,
        "dropped": [
          "w"
        ],
        "engine": "shell",
        "executor": "e1",
        "graph_id": "RUN",
        "id": 1,
        "name": "job",
        "outcome": "succeeded",
        "output": {
          "exit_code": 0,
          "v": "1"
        },
        "start_date": "DATE",
        "state": 3,
        "stop_date": "DATE",
        "target": "",
        "visits": 1
      },
      "visits": [
        {
          "attempts": [
            {
              "executor": "e1",
              "id": "RUN.1.0.0.1",
              "outcome": {
                "failed": {
                  "code": "exit_nonzero",
                  "message": "exit code 3"
                }
              },
              "retry_at": "DATE",
              "start_date": "DATE",
              "stop_date": "DATE"
            },
            {
              "executor": "e1",
              "id": "RUN.1.0.0.2",
              "outcome": "succeeded",
              "output": {
                "exit_code": 0,
                "v": "1"
              },
              "start_date": "DATE",
              "stop_date": "DATE"
            }
          ],
          "because": [
            "a/b c.0"
          ],
          "outcome": "succeeded",
          "output": {
            "exit_code": 0,
            "v": "1"
          },
          "start_date": "DATE",
          "state": "success",
          "stop_date": "DATE",
          "visit": 0
        }
      ]
    }
    "#);
    let first: NodeView = stand.get(&format!("/v1/tasks/{run}/nodes/a%2Fb%20c")).await.json();
    assert_eq!((first.node.name.as_str(), first.visits.len()), ("a/b c", 1));
}
