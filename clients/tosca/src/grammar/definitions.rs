//! The forms of types and of what they define.
//!
//! Sources: TOSCA Simple Profile in YAML 1.0 to 1.3, section 3 each; TOSCA 2.0, sections 6 to 15.

use super::{Form, Keyname, Record, key};
use crate::version::Version;

/// Texts about something, of any kind: a map whose values are read by nobody here.
const METADATA: Form = Form::MapOf(&Form::Any);

const DESCRIPTION: Keyname = key("description", Form::Text);
const METADATA_KEY: Keyname = key("metadata", METADATA);
const TYPE: Keyname = key("type", Form::Name);
const DERIVED_FROM: Keyname = key("derived_from", Form::Name);
const VERSION: Keyname = key("version", Form::TypeVersion);
const NAMES: Form = Form::ListOf(&Form::Name);

/// A schema of entries: a map, or only the name of a type.
const SCHEMA: Form = Form::Either(&[Form::Name, Form::Record(&SCHEMA_RECORD)]);

static SCHEMA_RECORD: Record = Record {
    name: "a schema",
    is_definition: true,
    keys: &[
        key("type", Form::Name).required(),
        DESCRIPTION,
        METADATA_KEY.since(Version::V2_0),
        key("constraints", Form::Any),
        key("validation", Form::Any).since(Version::V2_0),
        key("key_schema", Form::Either(&[Form::Name, Form::Record(&SCHEMA_RECORD)])).since(Version::V1_2),
        key("entry_schema", Form::Either(&[Form::Name, Form::Record(&SCHEMA_RECORD)])),
        // A property's keys: written here by many, and without harm.
        key("required", Form::Flag).until(Version::V1_3),
        key("default", Form::Any).until(Version::V1_3),
        key("status", Form::Text).until(Version::V1_3),
    ],
    others: None,
};

pub(super) static PROPERTY: Record = Record {
    name: "a property definition",
    is_definition: true,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("required", Form::Flag),
        key("default", Form::Any),
        key("value", Form::Any).since(Version::V1_3),
        key("status", Form::Text),
        key("constraints", Form::Any).until(Version::V1_3),
        key("validation", Form::Any).since(Version::V2_0),
        key("key_schema", SCHEMA).since(Version::V1_2),
        key("entry_schema", SCHEMA),
        key("external-schema", Form::Any).until(Version::V1_3),
        key("external_schema", Form::Any).until(Version::V1_3),
        key("schema", Form::Any).until(Version::V1_3),
    ],
    others: None,
};

static ATTRIBUTE: Record = Record {
    name: "an attribute definition",
    is_definition: true,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("default", Form::Any),
        key("value", Form::Any).until(Version::V1_3),
        key("status", Form::Text),
        key("required", Form::Flag).until(Version::V1_3),
        key("constraints", Form::Any).until(Version::V1_3),
        key("validation", Form::Any).since(Version::V2_0),
        key("key_schema", SCHEMA).since(Version::V1_2),
        key("entry_schema", SCHEMA),
    ],
    others: None,
};

pub(super) static PARAMETER: Record = Record {
    name: "a parameter definition",
    is_definition: true,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("required", Form::Flag),
        key("default", Form::Any),
        key("value", Form::Any),
        key("mapping", Form::Any).since(Version::V2_0),
        key("status", Form::Text),
        key("constraints", Form::Any).until(Version::V1_3),
        key("validation", Form::Any).since(Version::V2_0),
        key("key_schema", SCHEMA).since(Version::V1_2),
        key("entry_schema", SCHEMA),
        key("external-schema", Form::Any).until(Version::V1_3),
        key("external_schema", Form::Any).until(Version::V1_3),
    ],
    others: None,
};

/// A value that is no map is what a refined property always is, from 2.0 on; before, whoever reads it complains.
pub(super) const PROPERTIES: Form = Form::MapOf(&Form::Either(&[Form::Record(&PROPERTY), Form::Any]));
const ATTRIBUTES: Form = Form::MapOf(&Form::Record(&ATTRIBUTE));
pub(super) const PARAMETERS: Form = Form::MapOf(&Form::Either(&[Form::Record(&PARAMETER), Form::Any]));

pub(super) static REPOSITORY: Record = Record {
    name: "a repository",
    is_definition: true,
    keys: &[DESCRIPTION, METADATA_KEY, key("url", Form::Text).required(), key("credential", Form::Any)],
    others: None,
};

static ARTIFACT_TYPE: Record = Record {
    name: "an artifact type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("mime_type", Form::Text),
        key("file_ext", Form::ListOf(&Form::Text)),
        key("properties", PROPERTIES),
    ],
    others: None,
};

static DATA_TYPE: Record = Record {
    name: "a data type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("constraints", Form::Any).until(Version::V1_3),
        key("validation", Form::Any).since(Version::V2_0),
        key("properties", PROPERTIES),
        key("key_schema", SCHEMA).since(Version::V1_2),
        key("entry_schema", SCHEMA).since(Version::V1_2),
        key("data_type", Form::Name).since(Version::V2_0),
        key("units", Form::MapOf(&Form::Any)).since(Version::V2_0),
        key("canonical_unit", Form::Text).since(Version::V2_0),
        key("prefixes", Form::Any).since(Version::V2_0),
    ],
    others: None,
};

static CAPABILITY_TYPE: Record = Record {
    name: "a capability type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("properties", PROPERTIES),
        key("attributes", ATTRIBUTES),
        key("valid_source_types", NAMES).until(Version::V1_3),
        key("valid_source_node_types", NAMES).since(Version::V2_0),
        key("valid_relationship_types", NAMES).since(Version::V2_0),
    ],
    others: None,
};

static INTERFACE_TYPE: Record = Record {
    name: "an interface type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("inputs", PARAMETERS),
        key("operations", Form::MapOfMaybe(&TYPE_OPERATION)).since(Version::V1_3),
        key("notifications", Form::MapOfMaybe(&OPERATION)).since(Version::V1_3),
    ],
    others: Some((Version::V1_3, Form::Any)),
};

static RELATIONSHIP_TYPE: Record = Record {
    name: "a relationship type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("properties", PROPERTIES),
        key("attributes", ATTRIBUTES),
        key("interfaces", INTERFACES),
        key("valid_target_types", NAMES).until(Version::V1_3),
        key("valid_source_types", NAMES).until(Version::V1_3),
        key("valid_capability_types", NAMES).since(Version::V2_0),
        key("valid_target_node_types", NAMES).since(Version::V2_0),
        key("valid_source_node_types", NAMES).since(Version::V2_0),
    ],
    others: None,
};

static NODE_TYPE: Record = Record {
    name: "a node type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("properties", PROPERTIES),
        key("attributes", ATTRIBUTES),
        key("capabilities", Form::MapOfMaybe(&Form::Either(&[Form::Name, Form::Record(&CAPABILITY)]))),
        key("requirements", Form::Named(&Form::Either(&[Form::Name, Form::Record(&REQUIREMENT)]))),
        key("interfaces", INTERFACES),
        key("artifacts", ARTIFACTS),
        // Alien and Yorc have it, without a meaning for the plan.
        key("abstract", Form::Flag).until(Version::V1_3),
        key("tags", Form::Any).until(Version::V1_3),
    ],
    others: None,
};

static GROUP_TYPE: Record = Record {
    name: "a group type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("properties", PROPERTIES),
        key("attributes", ATTRIBUTES).since(Version::V1_3),
        key("members", NAMES),
        key("requirements", Form::Any).until(Version::V1_2),
        key("capabilities", Form::Any).until(Version::V1_2),
        key("interfaces", INTERFACES).until(Version::V1_3),
    ],
    others: None,
};

static POLICY_TYPE: Record = Record {
    name: "a policy type",
    is_definition: true,
    keys: &[
        DERIVED_FROM,
        VERSION,
        METADATA_KEY,
        DESCRIPTION,
        key("properties", PROPERTIES),
        key("targets", NAMES),
        key("triggers", super::templates::TRIGGERS),
    ],
    others: None,
};

static CAPABILITY: Record = Record {
    name: "a capability definition",
    is_definition: true,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("properties", PROPERTIES),
        key("attributes", ATTRIBUTES),
        key("valid_source_types", NAMES).until(Version::V1_3),
        key("valid_source_node_types", NAMES).since(Version::V2_0),
        key("valid_relationship_types", NAMES).since(Version::V2_0),
        key("occurrences", Form::Any).until(Version::V1_3),
        key("directives", Form::ListOf(&Form::Text)).since(Version::V2_0),
    ],
    others: None,
};

static REQUIREMENT: Record = Record {
    name: "a requirement definition",
    is_definition: true,
    keys: &[
        DESCRIPTION,
        METADATA_KEY,
        key("capability", Form::Name),
        key("node", Form::Name),
        key("relationship", Form::Either(&[Form::Name, Form::Record(&REQUIRED_RELATIONSHIP)])),
        key("node_filter", Form::Any),
        key("occurrences", Form::ListOf(&Form::Any)).until(Version::V1_3),
        key("count_range", Form::ListOf(&Form::Any)).since(Version::V2_0),
        key("directives", Form::ListOf(&Form::Text)).since(Version::V2_0),
        // As Alien writes the bounds, and its older name of the type.
        key("lower_bound", Form::Any).until(Version::V1_3),
        key("upper_bound", Form::Any).until(Version::V1_3),
        key("type", Form::Name).until(Version::V1_3),
        key("relationship_type", Form::Name).until(Version::V1_3),
        key("capability_name", Form::Name).until(Version::V1_3),
    ],
    others: None,
};

static REQUIRED_RELATIONSHIP: Record = Record {
    name: "the relationship of a requirement definition",
    is_definition: true,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("properties", Form::MapOf(&Form::Any)),
        key("attributes", Form::MapOf(&Form::Any)),
        key("interfaces", INTERFACES),
    ],
    others: None,
};

/// Of types and of templates: their operations differ in what their inputs are, which their readers know.
pub(super) const INTERFACES: Form = Form::MapOfMaybe(&Form::Either(&[Form::Name, Form::Record(&INTERFACE)]));

static INTERFACE: Record = Record {
    name: "an interface",
    is_definition: true,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("inputs", Form::MapOf(&Form::Any)),
        key("operations", Form::MapOfMaybe(&OPERATION)).since(Version::V1_3),
        key("notifications", Form::MapOfMaybe(&OPERATION)).since(Version::V1_3),
        key("workflows", Form::Any).since(Version::V2_0),
    ],
    others: Some((Version::V1_3, OPERATION)),
};

/// An operation may be no more than its implementation.
const OPERATION: Form = Form::Either(&[Form::Text, Form::Record(&OPERATION_RECORD), Form::Empty]);

static OPERATION_RECORD: Record = Record {
    name: "an operation",
    is_definition: true,
    keys: &[
        DESCRIPTION,
        METADATA_KEY,
        key("implementation", IMPLEMENTATION),
        key("inputs", Form::MapOf(&Form::Any)),
        key("outputs", Form::MapOf(&Form::Any)),
        key("executor", Form::Any).until(Version::V1_3),
    ],
    others: None,
};

/// A type of interfaces says what its operations take; who does them is not its matter.
const TYPE_OPERATION: Form = Form::Either(&[Form::Text, Form::Record(&TYPE_OPERATION_RECORD)]);

static TYPE_OPERATION_RECORD: Record = Record {
    name: "an operation of an interface type",
    is_definition: true,
    keys: &[
        DESCRIPTION,
        METADATA_KEY,
        key("implementation", IMPLEMENTATION).until(Version::V1_3),
        key("inputs", Form::MapOf(&Form::Any)),
        key("outputs", Form::MapOf(&Form::Any)),
    ],
    others: None,
};

const IMPLEMENTATION: Form = Form::Either(&[Form::Text, Form::Record(&IMPLEMENTATION_RECORD)]);

static IMPLEMENTATION_RECORD: Record = Record {
    name: "an implementation",
    is_definition: true,
    keys: &[
        key("primary", ARTIFACT),
        key("dependencies", Form::ListOf(&ARTIFACT)).since(Version::V2_0),
        key("dependencies", Form::Either(&[Form::ListOf(&ARTIFACT), Form::Text])).until(Version::V1_3),
        key("timeout", Form::Any),
        key("operation_host", Form::Text),
        // An artifact stands here itself in 1.2 and 1.3.
        key("file", Form::Text),
        key("type", Form::Name),
        key("repository", Form::Name),
        DESCRIPTION,
        key("properties", Form::MapOf(&Form::Any)),
        key("configuration", Form::Any).until(Version::V1_3),
    ],
    others: None,
};

const ARTIFACT: Form = Form::Either(&[Form::Text, Form::Record(&ARTIFACT_RECORD)]);
pub(super) const ARTIFACTS: Form = Form::Either(&[Form::MapOf(&ARTIFACT), Form::Named(&ARTIFACT)]);

static ARTIFACT_RECORD: Record = Record {
    name: "an artifact",
    is_definition: true,
    keys: &[
        TYPE,
        key("file", Form::Any),
        key("repository", Form::Name),
        DESCRIPTION,
        METADATA_KEY,
        key("deploy_path", Form::Any),
        key("version", Form::Any),
        key("artifact_version", Form::Any),
        key("checksum", Form::Text),
        key("checksum_algorithm", Form::Text),
        key("properties", Form::MapOf(&Form::Any)),
    ],
    others: None,
};

static FUNCTION: Record = Record {
    name: "a function definition",
    is_definition: true,
    keys: &[key("signatures", Form::ListOf(&Form::Record(&SIGNATURE))).required(), DESCRIPTION, METADATA_KEY],
    others: None,
};

static SIGNATURE: Record = Record {
    name: "a signature",
    is_definition: true,
    keys: &[
        key("arguments", Form::ListOf(&SCHEMA)),
        key("optional_arguments", Form::ListOf(&SCHEMA)),
        key("variadic", Form::Flag),
        key("result", SCHEMA),
        key("implementation", Form::Any),
        DESCRIPTION,
        METADATA_KEY,
    ],
    others: None,
};

const ARTIFACT_TYPES: Form = Form::MapOfMaybe(&Form::Record(&ARTIFACT_TYPE));
const DATA_TYPES: Form = Form::MapOfMaybe(&Form::Record(&DATA_TYPE));
const CAPABILITY_TYPES: Form = Form::MapOfMaybe(&Form::Record(&CAPABILITY_TYPE));
const INTERFACE_TYPES: Form = Form::MapOfMaybe(&Form::Record(&INTERFACE_TYPE));
const RELATIONSHIP_TYPES: Form = Form::MapOfMaybe(&Form::Record(&RELATIONSHIP_TYPE));
const NODE_TYPES: Form = Form::MapOfMaybe(&Form::Record(&NODE_TYPE));
const GROUP_TYPES: Form = Form::MapOfMaybe(&Form::Record(&GROUP_TYPE));
const POLICY_TYPES: Form = Form::MapOfMaybe(&Form::Record(&POLICY_TYPE));
const FUNCTIONS: Form = Form::MapOf(&Form::Record(&FUNCTION));

/// The sections of types, and of functions.
pub(super) const TYPES: [Keyname; 9] = [
    key("artifact_types", ARTIFACT_TYPES),
    key("data_types", DATA_TYPES),
    key("capability_types", CAPABILITY_TYPES),
    key("interface_types", INTERFACE_TYPES),
    key("relationship_types", RELATIONSHIP_TYPES),
    key("node_types", NODE_TYPES),
    key("group_types", GROUP_TYPES),
    key("policy_types", POLICY_TYPES),
    key("functions", FUNCTIONS).since(Version::V2_0),
];
