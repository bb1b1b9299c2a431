//! Refusals: what the API says when it says no.
//!
//! Owns the problem+json body (RFC 9457, with the original's `code` and `message`) and the complaints about a
//! document. Promises: every code that a user can meet is in [`CODES`] and has a page in `docs/errors/`. Status codes
//! belong to the codes here as data; they are turned into HTTP in one place, at the rim of each service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that is wrong with a document: where, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Complaint {
    /// Stable: `matrix_not_square`, `unknown_engine`, ...
    pub code: String,
    /// JSON pointer (RFC 6901) into the document.
    pub pointer: String,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.sentence(), self.code)
    }
}

impl Complaint {
    /// Place, found and expected, without the code.
    fn sentence(&self) -> String {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        format!("{place}: found {}, expected {}", self.found, self.expected)
    }
}

/// An error body: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `https://gorch.dev/errors/CODE`: names the page in `docs/errors/`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's sentence: the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This problem's sentence: what was found, what was expected, what to do.
    pub detail: String,
    /// The stable code.
    pub code: String,
    /// The same as `detail`: the original's name for it.
    pub message: String,
    /// What is wrong with the document, the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<Complaint>,
    /// How many complaints there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complaint_count: Option<usize>,
}

impl Problem {
    /// A problem with a code of [`CODES`] and its own sentence.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        let row = CODES.iter().find(|row| row.code == code).expect("every code used stands in the table");
        let detail = detail.into();
        Problem {
            kind: format!("https://gorch.dev/errors/{code}"),
            title: row.title.to_owned(),
            status: row.status,
            message: detail.clone(),
            detail,
            code: code.to_owned(),
            complaints: Vec::new(),
            complaint_count: None,
        }
    }

    /// The problem of a document with complaints: status and code are those of the gravest.
    pub fn of_document(complaints: Vec<Complaint>, count: usize) -> Self {
        let gravest = complaints
            .iter()
            .filter_map(|complaint| CODES.iter().find(|row| row.code == complaint.code))
            .min_by_key(|row| (row.status, row.code != complaints[0].code));
        let code = gravest
            .map_or("bad_document", |row| if row.status == 422 && count > 1 { "bad_document" } else { row.code });
        let detail = match complaints.as_slice() {
            [only] if count == 1 => only.sentence(),
            [first, ..] => format!("{count} complaints, the first: {first}"),
            [] => "the document is not right".to_owned(),
        };
        Problem { complaints, complaint_count: Some(count), ..Problem::new(code, detail) }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.detail, self.code)
    }
}

/// A code that a refusal can carry.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// Stable name.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// One sentence, the same for every problem of this code.
    pub title: &'static str,
}

macro_rules! codes {
    ($($code:literal $status:literal $title:literal;)*) => {
        /// Every code of a refusal or complaint.
        pub const CODES: &[Code] = &[$(Code { code: $code, status: $status, title: $title }),*];
    };
}

codes! {
    "bad_json" 400 "the body is not JSON";
    "bad_request" 400 "the request cannot be understood";
    "not_authenticated" 401 "no identity could be read from the client certificate";
    "no_session" 401 "this browser has not come in by the link";
    "not_allowed" 403 "the identity lacks the role that this route needs";
    "wrong_identity" 403 "an executor may speak only for itself";
    "foreign_page" 403 "the request does not come from a page of this gateway";
    "not_found" 404 "there is nothing of this name";
    "method_not_allowed" 405 "the route exists, but not with this method";
    "run_ended" 409 "the run has ended already";
    "still_runs" 409 "the run must have ended for this";
    "referred_to" 409 "a run that has not ended repeats this one";
    "nothing_open" 409 "nothing of the node is open";
    "not_asked" 409 "nothing of the node waits for an approval";
    "nothing_to_undo" 409 "no step that succeeded says how it is taken back";
    "idempotency_conflict" 409 "the idempotency key was used for another body";
    "attempt_conflict" 409 "the attempt id was used for other work";
    "forgotten" 410 "the run was forgotten";
    "other_folder" 410 "what became of the attempt stands in another data folder";
    "stale_epoch" 410 "a newer conductor owns the run";
    "revision_mismatch" 412 "the definition is at another revision";
    "too_large" 413 "a limit on size was passed";
    "bad_document" 422 "the document is not right";
    "empty_document" 422 "the document holds no nodes";
    "live_view" 422 "the document is a live view, not a graph to run";
    "wrong_type" 422 "a value has another type than expected";
    "unknown_field" 422 "a field that gorch does not know";
    "missing_field" 422 "a field that must be there is missing";
    "duplicate_key" 422 "an object names the same key twice";
    "bad_value" 422 "a value outside what is allowed";
    "bad_cell" 422 "a cell of the digraph that is no kind of edge";
    "matrix_not_square" 422 "the digraph's cells do not make a square of the nodes";
    "both_digraph_and_edges" 422 "a graph is written either as digraph or as edges";
    "no_edges_given" 422 "more than one node, and neither digraph nor edges";
    "too_many_nodes" 422 "more nodes than the limit";
    "too_many_edges" 422 "more edges than the limit";
    "bad_node_id" 422 "node ids are 0 to n-1, each once";
    "duplicate_name" 422 "node names are addresses and must be unique";
    "bad_name" 422 "a name that cannot be an address";
    "unknown_node" 422 "an edge names a node that does not exist";
    "bad_condition" 422 "an edge's `when` that cannot be read";
    "bad_duration" 422 "a duration that cannot be read";
    "bad_expression" 422 "an expression that cannot be read";
    "bad_reference" 422 "a reference between nodes that cannot be read";
    "bad_input" 422 "an input that the graph does not take so";
    "bad_schema" 422 "an `inputs_schema` that cannot be used";
    "bad_join" 422 "a join that cannot be";
    "cycle_of_all" 422 "a cycle whose nodes wait for all of their edges";
    "unreachable" 422 "nodes that no root leads to";
    "unknown_engine" 422 "an engine that neither gorch nor any executor ever had";
    "engine_and_artifact" 422 "engine and artifact must fit each other";
    "digest_mismatch" 422 "the content is not what its name says";
    "unknown_artifact" 422 "an artifact that is not here";
    "bad_registration" 422 "an executor's registration that cannot be used";
    "too_many_signals" 429 "too many signals of the run wait to be taken";
    "too_many_requests" 429 "a limit on concurrent work was passed";
    "internal" 500 "gorch failed; the log has the cause";
    "run_quarantined" 500 "the run's journal cannot be read";
    "orchestrator_away" 502 "the gateway gets no answer from the orchestrator";
    "unavailable" 503 "gorch cannot do this now";
    "shutting_down" 503 "the service is going away";
    "perhaps_done" 504 "the answer was lost, and it may have been done";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_is_a_word() {
        let mut seen = std::collections::BTreeSet::new();
        for row in CODES {
            assert!(seen.insert(row.code), "{} stands twice", row.code);
            assert!(row.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", row.code);
            assert!((400..600).contains(&row.status));
        }
    }
}
