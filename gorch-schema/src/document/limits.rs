//! How much a document may hold.
//!
//! Owns every limit of a submit, by name. Promises: whatever is refused for its size is refused by one of these, and
//! while reading, not after. Never holds a limit of running.

/// The limits of one document. [`Limits::default`] is what a service starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole body, cells of the digraph included.
    pub max_body: u64,
    /// Bytes of the document without the cells of the digraph: what is held while reading.
    pub max_document: usize,
    /// Bytes up to which the submitted text is kept as it is; beyond, the equivalent `edges` document is.
    pub max_kept_text: usize,
    /// Edges: non-zero cells, or entries of `edges`.
    pub max_edges: usize,
    /// Nodes.
    pub max_nodes: usize,
    /// Bytes of a name, a target, a label, a key.
    pub max_name_len: usize,
    /// Objects and arrays inside each other, at most 100.
    pub max_depth: u32,
    /// Fields of the document itself.
    pub max_fields: usize,
    /// JSON values inside one node, one edge or one option of the graph.
    pub max_values: u32,
    /// JSON values inside `inputs_schema`, counted as often as references lead to them.
    pub max_schema: usize,
    /// Distinct patterns: code globs and patterns over node names, each.
    pub max_patterns: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_body: 1 << 30,
            max_document: 64 << 20,
            max_kept_text: 1 << 20,
            max_edges: 4_000_000,
            max_nodes: 1_000_000,
            max_name_len: 256,
            max_depth: 64,
            max_fields: 1_000,
            max_values: 1_000_000,
            max_schema: 5_000,
            max_patterns: 1_000,
        }
    }
}

impl Limits {
    /// No limit but what the types can hold: for documents that were accepted once, under whatever limits then.
    pub const fn none() -> Self {
        Limits {
            max_body: u64::MAX,
            max_document: usize::MAX,
            max_kept_text: usize::MAX,
            max_edges: u32::MAX as usize,
            max_nodes: u32::MAX as usize,
            max_name_len: usize::MAX,
            max_depth: 100,
            max_fields: usize::MAX,
            max_values: u32::MAX,
            max_schema: usize::MAX,
            max_patterns: usize::MAX,
        }
    }
}
