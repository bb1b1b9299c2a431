//! The forms of a file, of its service, and of what is in that.
//!
//! Sources: TOSCA Simple Profile in YAML 1.0 to 1.3, section 3 each; TOSCA 2.0, sections 6 to 15.

use super::definitions::{ARTIFACTS, INTERFACES, PARAMETERS, REPOSITORY, TYPES};
use super::{Form, Keyname, Record, key};
use crate::version::Version;

const DESCRIPTION: Keyname = key("description", Form::Text);
const METADATA_KEY: Keyname = key("metadata", Form::MapOf(&Form::Any));
const TYPE: Keyname = key("type", Form::Name).required();
/// Values; each is read by the type of what it is assigned to.
const VALUES: Form = Form::MapOf(&Form::Any);
const NAMES: Form = Form::ListOf(&Form::Name);
const TEXTS: Form = Form::ListOf(&Form::Text);

/// A file with a service template or with definitions for others.
pub(crate) static SERVICE_FILE: Record = Record {
    name: "a TOSCA file",
    is_definition: false,
    keys: &[
        key("tosca_definitions_version", Form::Any).required(),
        key("tosca_default_namespace", Form::Text).until(Version::V1_3),
        key("namespace", Form::Text).until(Version::V1_3),
        key("template_name", Form::Text).until(Version::V1_3),
        key("template_author", Form::Text).until(Version::V1_3),
        key("template_version", Form::Any).until(Version::V1_3),
        key("profile", Form::Name).since(Version::V2_0),
        METADATA_KEY.since(Version::V2_0),
        key("metadata", Form::Either(&[Form::MapOf(&Form::Any), Form::Text])).until(Version::V1_3),
        DESCRIPTION,
        key("dsl_definitions", Form::MapOf(&Form::Any)),
        key("repositories", Form::MapOf(&Form::Either(&[Form::Text, Form::Record(&REPOSITORY)]))),
        key("imports", Form::Any),
        TYPES[0],
        TYPES[1],
        TYPES[2],
        TYPES[3],
        TYPES[4],
        TYPES[5],
        TYPES[6],
        TYPES[7],
        TYPES[8],
        key("topology_template", Form::Record(&SERVICE)).until(Version::V1_3),
        key("service_template", Form::Record(&SERVICE)).since(Version::V2_0),
    ],
    others: None,
};

static SERVICE: Record = Record {
    name: "a service template",
    is_definition: false,
    keys: &[
        DESCRIPTION,
        METADATA_KEY,
        key("inputs", PARAMETERS),
        key("node_templates", Form::MapOf(&Form::Record(&NODE))),
        key("relationship_templates", Form::MapOf(&Form::Record(&RELATIONSHIP))),
        key("groups", Form::MapOf(&Form::Record(&GROUP))),
        key("policies", Form::Named(&Form::Record(&POLICY))),
        key("outputs", PARAMETERS),
        key("substitution_mappings", Form::Record(&SUBSTITUTION)),
        key("workflows", Form::MapOfMaybe(&Form::Record(&WORKFLOW))),
    ],
    others: None,
};

static NODE: Record = Record {
    name: "a node template",
    is_definition: false,
    keys: &[
        // What it copies may say it.
        key("type", Form::Name),
        DESCRIPTION,
        METADATA_KEY,
        key("directives", TEXTS),
        key("properties", VALUES),
        key("attributes", VALUES),
        key("requirements", Form::Named(&REQUIREMENT)),
        key("capabilities", Form::MapOfMaybe(&Form::Record(&CAPABILITY))),
        key("interfaces", INTERFACES),
        key("artifacts", ARTIFACTS),
        key("node_filter", Form::Any),
        key("copy", Form::Name),
        key("count", Form::Any).since(Version::V2_0),
        // What some tools write there, without a meaning for the plan.
        key("name", Form::Text).until(Version::V1_3),
        key("relationships", Form::Any).until(Version::V1_3),
    ],
    others: None,
};

static CAPABILITY: Record = Record {
    name: "a capability assignment",
    is_definition: false,
    keys: &[
        key("properties", VALUES),
        key("attributes", VALUES),
        key("occurrences", Form::Any).until(Version::V1_3),
        key("directives", TEXTS).since(Version::V2_0),
        key("type", Form::Name).until(Version::V1_3),
        DESCRIPTION.until(Version::V1_3),
    ],
    others: None,
};

/// A node (and of 2.0 its capability, or its index), or how it is found.
const REQUIREMENT: Form = Form::Either(&[Form::Name, Form::Record(&REQUIREMENT_RECORD), Form::ListOf(&Form::Any)]);

static REQUIREMENT_RECORD: Record = Record {
    name: "a requirement assignment",
    is_definition: false,
    keys: &[
        key("node", Form::Any),
        key("capability", Form::Any),
        key("relationship", Form::Either(&[Form::Name, Form::Record(&ASSIGNED_RELATIONSHIP)])),
        key("node_filter", Form::Any),
        key("occurrences", Form::Any).until(Version::V1_3),
        key("count", Form::Any).since(Version::V2_0),
        key("optional", Form::Any).since(Version::V2_0),
        key("allocation", Form::Any).since(Version::V2_0),
        key("directives", TEXTS).since(Version::V2_0),
        DESCRIPTION.until(Version::V1_3),
        // As Alien writes it.
        key("type_requirement", Form::Name).until(Version::V1_3),
        key("type", Form::Name).until(Version::V1_3),
        key("properties", VALUES).until(Version::V1_3),
        key("interfaces", INTERFACES).until(Version::V1_3),
    ],
    others: None,
};

static ASSIGNED_RELATIONSHIP: Record = Record {
    name: "the relationship of a requirement",
    is_definition: false,
    keys: &[
        key("type", Form::Name),
        DESCRIPTION,
        METADATA_KEY,
        key("properties", VALUES),
        key("attributes", VALUES),
        key("interfaces", INTERFACES),
    ],
    others: None,
};

static RELATIONSHIP: Record = Record {
    name: "a relationship template",
    is_definition: false,
    keys: &[
        key("type", Form::Name),
        DESCRIPTION,
        METADATA_KEY,
        key("properties", VALUES),
        key("attributes", VALUES),
        key("interfaces", INTERFACES),
        key("copy", Form::Name),
    ],
    others: None,
};

static GROUP: Record = Record {
    name: "a group",
    is_definition: false,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("properties", VALUES),
        key("attributes", VALUES).since(Version::V1_3),
        key("members", NAMES),
        key("targets", NAMES).until(Version::V1_0),
        key("interfaces", INTERFACES).until(Version::V1_3),
        key("policies", Form::Any).until(Version::V1_3),
    ],
    others: None,
};

static POLICY: Record = Record {
    name: "a policy",
    is_definition: false,
    keys: &[
        TYPE,
        DESCRIPTION,
        METADATA_KEY,
        key("properties", VALUES),
        key("targets", NAMES),
        key("triggers", TRIGGERS),
    ],
    others: None,
};

pub(super) const TRIGGERS: Form = Form::MapOf(&Form::Record(&TRIGGER));

static TRIGGER: Record = Record {
    name: "a trigger",
    is_definition: false,
    keys: &[
        DESCRIPTION,
        METADATA_KEY,
        key("event", Form::Any),
        key("event_type", Form::Any),
        key("schedule", Form::Any),
        key("target_filter", Form::Any),
        key("condition", Form::Any),
        key("constraint", Form::Any),
        key("period", Form::Any),
        key("evaluations", Form::Any),
        key("method", Form::Any),
        key("meter_name", Form::Any).until(Version::V1_3),
        key("metadata", Form::Any),
        key("granularity", Form::Any).until(Version::V1_3),
        key("aggregation_method", Form::Any).until(Version::V1_3),
        key("threshold", Form::Any).until(Version::V1_3),
        key("comparison_operator", Form::Any).until(Version::V1_3),
        key("action", Form::Any),
    ],
    others: None,
};

static SUBSTITUTION: Record = Record {
    name: "a substitution mapping",
    is_definition: false,
    keys: &[
        key("node_type", Form::Name).required(),
        DESCRIPTION,
        METADATA_KEY,
        key("substitution_filter", Form::Any),
        key("inputs", Form::Any),
        key("properties", Form::Any),
        key("attributes", Form::Any),
        key("capabilities", Form::Any),
        key("requirements", Form::Any),
        key("interfaces", Form::Any),
    ],
    others: None,
};

static WORKFLOW: Record = Record {
    name: "a workflow",
    is_definition: false,
    keys: &[
        DESCRIPTION,
        METADATA_KEY,
        key("inputs", PARAMETERS),
        key("outputs", Form::MapOf(&Form::Any)),
        key("preconditions", Form::ListOf(&Form::Record(&PRECONDITION))).until(Version::V1_3),
        key("precondition", Form::Any).since(Version::V2_0),
        key("steps", Form::MapOf(&Form::Record(&STEP))),
        key("implementation", Form::Any),
    ],
    others: None,
};

static PRECONDITION: Record = Record {
    name: "a precondition",
    is_definition: false,
    keys: &[key("target", Form::Name).required(), key("target_relationship", Form::Name), key("condition", Form::Any)],
    others: None,
};

static STEP: Record = Record {
    name: "a step",
    is_definition: false,
    keys: &[
        DESCRIPTION,
        METADATA_KEY,
        key("target", Form::Any),
        key("target_relationship", Form::Any),
        key("operation_host", Form::Text),
        key("filter", Form::Any),
        key("activities", Form::ListOf(&Form::Any)).required().since(Version::V2_0),
        key("activities", Form::ListOf(&Form::Any)).until(Version::V1_3),
        key("on_success", Form::Either(&[NAMES, Form::Name])),
        key("on_failure", Form::Either(&[NAMES, Form::Name])),
        // As Alien writes it.
        key("node", Form::Name).until(Version::V1_3),
        key("activity", Form::Any).until(Version::V1_3),
        key("on-success", Form::Either(&[NAMES, Form::Name])).until(Version::V1_3),
        key("on-failure", Form::Either(&[NAMES, Form::Name])).until(Version::V1_3),
    ],
    others: None,
};
