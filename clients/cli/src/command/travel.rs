//! Files that a document names: `"artifact": "file:./deploy.sh"` becomes `sha256:...`, and so does what stands in `files`,
//! and the files go up.
//!
//! Owns the reading of such documents and the rewriting. Promises that a document without such files is sent as it is,
//! byte for byte and streamed; that in one with them nothing changes but their names; that a file which is there
//! already is not sent again; and that paths count from the document's folder, so that it works from wherever it is
//! called. A document that is no JSON is sent as it is: the orchestrator says what is wrong. What a template of TOSCA became
//! names files that may be in an archive; they go up in the same way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::Path;

use gorch_client::Client;
use gorch_schema::Digest;
use gorch_tosca::Converted;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::command::source;
use crate::error::Error;

/// How a local file is named.
const FILE: &str = "file:";

/// Are the files sent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upload {
    Yes,
    /// Only their digests are put in.
    No,
}

/// The document as a request body, its files named by their content and, if wished, uploaded.
pub(super) async fn body(client: &Client, path: &Path, upload: Upload) -> Result<reqwest::Body, Error> {
    if path != Path::new("-") && !mentions_files(path).await? {
        return source::body(path).await;
    }
    Ok(document(client, path, upload).await?.into())
}

/// The same in memory.
pub(super) async fn document(client: &Client, path: &Path, upload: Upload) -> Result<Vec<u8>, Error> {
    let bytes = source::bytes(path).await?;
    let Ok(document) = serde_json::from_slice::<Fields<'_>>(&bytes) else { return Ok(bytes) };
    let base = path.parent().filter(|_| path != Path::new("-")).unwrap_or(Path::new("."));
    let mut known = BTreeMap::new();
    for name in names(&document) {
        if let Entry::Vacant(unknown) = known.entry(name) {
            let file = base.join(&unknown.key()[FILE.len()..]);
            unknown.insert(travel(client, &file, upload).await?.as_artifact());
        }
    }
    if known.is_empty() {
        return Ok(bytes);
    }
    Ok(renamed(&document, &mut |name| known.get(name).cloned()).into_bytes())
}

/// The document of a template, its files named by their content and uploaded. It names them by their paths until then.
pub(super) async fn converted(client: &Client, converted: &Converted) -> Result<Vec<u8>, Error> {
    let mut known = BTreeMap::new();
    for file in &converted.files {
        let content = converted.read(file).map_err(|source| Error::Read { path: file.into(), source })?;
        let digest = Digest::from_bytes(Sha256::digest(&content).into());
        if !client.has_artifact(digest).await? {
            client.put_artifact(digest, content).await?;
        }
        known.insert(named(file), digest.as_artifact());
    }
    let document: Fields<'_> = serde_json::from_str(&converted.document).expect("a template becomes a JSON object");
    Ok(renamed(&document, &mut |name| known.get(name).cloned()).into_bytes())
}

/// How a document names a local file.
pub(super) fn named(path: &str) -> String {
    format!("{FILE}{path}")
}

/// Can there be such a file in it? Looks at the bytes alone.
async fn mentions_files(path: &Path) -> Result<bool, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let needle = FILE.as_bytes();
    let (mut window, mut piece) = (Vec::new(), vec![0; 256 * 1024]);
    loop {
        let read = file.read(&mut piece).await.map_err(failed)?;
        if read == 0 {
            return Ok(false);
        }
        window.extend_from_slice(&piece[..read]);
        // A backslash may hide a letter of it.
        if window.windows(needle.len()).any(|bytes| bytes == needle) || window.contains(&b'\\') {
            return Ok(true);
        }
        let kept = window.len().saturating_sub(needle.len());
        window.drain(..kept);
    }
}

/// The digest of a file, which is there for the orchestrator's executors afterwards.
pub(super) async fn travel(client: &Client, path: &Path, upload: Upload) -> Result<Digest, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut piece).await.map_err(failed)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    let digest = Digest::from_bytes(hash.finalize().into());
    if upload == Upload::Yes && !client.has_artifact(digest).await? {
        client.put_artifact(digest, source::body(path).await?).await?;
    }
    Ok(digest)
}

/// An object as its fields stand in it, values untouched.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        from.deserialize_map(Visit)
    }
}

/// What another name for a local file is; `None` leaves it.
type Rename<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// The local files that a document names, and those inside of it.
fn names(document: &Fields<'_>) -> Vec<String> {
    let mut names = Vec::new();
    renamed(document, &mut |name| {
        names.push(name.to_owned());
        None
    });
    names
}

/// The document with other names for local files.
fn renamed(document: &Fields<'_>, rename: &mut Rename<'_>) -> String {
    let mut text = String::new();
    write_document(&mut text, document, rename);
    text
}

fn write_document(text: &mut String, document: &Fields<'_>, rename: &mut Rename<'_>) {
    object(text, document, |key, value, text| {
        let nodes = (key == "nodes").then(|| serde_json::from_str::<Vec<Fields<'_>>>(value.get()));
        let Some(Ok(nodes)) = nodes else { return text.push_str(value.get()) };
        text.push('[');
        for (index, node) in nodes.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { ",\n" });
            write_node(text, node, rename);
        }
        text.push(']');
    });
}

fn write_node(text: &mut String, node: &Fields<'_>, rename: &mut Rename<'_>) {
    object(text, node, |key, value, text| {
        let fields = || serde_json::from_str::<Fields<'_>>(value.get()).ok();
        match key {
            "artifact" => match fields() {
                Some(document) => write_document(text, &document, rename),
                None => write_content(text, value, rename),
            },
            "undo" => match fields() {
                Some(undo) => write_node(text, &undo, rename),
                None => write_content(text, value, rename),
            },
            "files" if let Some(files) = fields() => {
                object(text, &files, |_, value, text| write_content(text, value, rename));
            }
            _ => text.push_str(value.get()),
        }
    });
}

fn write_content(text: &mut String, value: &RawValue, rename: &mut Rename<'_>) {
    let name = serde_json::from_str::<String>(value.get()).ok().filter(|name| name.starts_with(FILE));
    match name.and_then(|name| rename(&name)) {
        Some(name) => text.push_str(&quoted(&name)),
        None => text.push_str(value.get()),
    }
}

fn object(text: &mut String, fields: &Fields<'_>, mut value_of: impl FnMut(&str, &RawValue, &mut String)) {
    text.push('{');
    for (index, (key, value)) in fields.0.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { ", " });
        text.push_str(&quoted(key));
        text.push_str(": ");
        value_of(key, value, text);
    }
    text.push('}');
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that it names, and what it is when they are `sha256:0`, `sha256:1` and so on.
    fn travelled(text: &str) -> (Vec<String>, String) {
        let document: Fields<'_> = serde_json::from_str(text).unwrap();
        let names = names(&document);
        let new = renamed(&document, &mut |name| {
            let at = names.iter().position(|known| known == name)?;
            Some(format!("sha256:{at}"))
        });
        (names, new)
    }

    #[test]
    fn nothing_changes_but_the_artifacts() {
        let text = r#"{"name": "a\u00e4", "digraph": [0,1, 0,0], "nodes": [{"id": 0, "artifact": "file:./x y.sh", "args": [1.50, "file:no"]},
            {"artifact": "/bin/true", "env": {"artifact": "file:no"}, "env": {}}, {"artifact": "\u0066ile:z"}]}"#;
        let (files, new) = travelled(text);
        assert_eq!(files, ["file:./x y.sh", "file:z"]);
        assert_eq!(
            new,
            "{\"name\": \"a\\u00e4\", \"digraph\": [0,1, 0,0], \"nodes\": [{\"id\": 0, \"artifact\": \"sha256:0\", \
             \"args\": [1.50, \"file:no\"]},\n{\"artifact\": \"/bin/true\", \"env\": {\"artifact\": \"file:no\"}, \
             \"env\": {}},\n{\"artifact\": \"sha256:1\"}]}"
        );
    }

    #[test]
    fn files_travel_by_their_contents_and_not_by_their_places_also_inside_of_documents() {
        let node = r#"{"files": {"file:a": "file:b", "c": "sha256:x", "d": 5}, "artifact": "file:b", "undo": {"artifact": "file:u"}}"#;
        let (files, new) = travelled(&format!(r#"{{"nodes": [{node}, {{"artifact": {{"nodes": [{node}]}}}}]}}"#));
        let once = ["file:b", "file:b", "file:u"];
        assert_eq!(files, [once, once].concat());
        let node = r#"{"files": {"file:a": "sha256:0", "c": "sha256:x", "d": 5}, "artifact": "sha256:0", "undo": {"artifact": "sha256:2"}}"#;
        assert_eq!(new, format!("{{\"nodes\": [{node},\n{{\"artifact\": {{\"nodes\": [{node}]}}}}]}}"));
        let (files, new) = travelled(r#"{"nodes": [{"undo": "file:u"}]}"#);
        assert_eq!((files.len(), &*new), (1, r#"{"nodes": [{"undo": "sha256:0"}]}"#));
        let (files, _) =
            travelled(r#"{"nodes": [{"files": "file:x", "env": {"y": "file:y"}}], "files": {"z": "file:z"}}"#);
        assert!(files.is_empty(), "{files:?}");
    }
}
