//! Values: each built-in type in each version, data types, constraints and validations.

use std::fmt::Write;

use insta::assert_snapshot;

use super::{check, v1_3, v2_0};

/// Which texts are values of a type: one a line, with the first line of what is said of it.
fn values(of: &str, texts: &[&str]) -> String {
    let mut told = String::new();
    for text in texts {
        let old = check(&v1_3(&format!("topology_template: {{inputs: {{x: {{type: {of}, default: {text}}}}}}}\n")));
        let new = check(&v2_0(&format!("service_template: {{inputs: {{x: {{type: {of}, default: {text}}}}}}}\n")));
        let first = |told: &str| match told.lines().next() {
            Some(line) => line.split_once(": ").map_or_else(|| line.to_owned(), |(_, message)| message.to_owned()),
            None => "yes".to_owned(),
        };
        let (old, new) = (first(&old), first(&new));
        match old == new {
            true => writeln!(told, "{text}: {old}"),
            false => writeln!(told, "{text}: 1.3 {old}, 2.0 {new}"),
        }
        .expect("a text takes all");
    }
    told
}

#[test]
fn texts() {
    assert_snapshot!(values("string", &["a", "'1'", "1", "1.10", "true", "yes", "~", "''", "[a]", "{a: b}", "2026-01-31"]), @"
    a: yes
    '1': yes
    1: 1.3 yes, 2.0 error: found `1`, expected a text [wrong_type]
    1.10: 1.3 yes, 2.0 error: found `1.10`, expected a text [wrong_type]
    true: 1.3 yes, 2.0 error: found `true`, expected a text [wrong_type]
    yes: yes
    ~: 1.3 yes, 2.0 error: found nothing, expected a text [wrong_type]
    '': yes
    [a]: error: found a list of 1, expected a text [wrong_type]
    {a: b}: error: found a map (`a: ...`), expected a text [wrong_type]
    2026-01-31: yes
    ");
}

#[test]
fn whole_numbers() {
    assert_snapshot!(values("integer", &["1", "-1", "+1", "0x1F", "0o17", "017", "1_000", "1.0", "1e3", "'1'", "a", "9223372036854775807", "9223372036854775808", "~"]), @"
    1: yes
    -1: yes
    +1: yes
    0x1F: yes
    0o17: yes
    017: yes
    1_000: error: found `1_000`, expected a whole number [wrong_type]
    1.0: error: found `1.0`, expected a whole number [wrong_type]
    1e3: error: found `1e3`, expected a whole number [wrong_type]
    '1': 1.3 yes, 2.0 error: found the text `1`, expected a whole number [wrong_type]
    a: error: found `a`, expected a whole number [wrong_type]
    9223372036854775807: yes
    9223372036854775808: error: found `9223372036854775808`, expected a whole number [wrong_type]
    ~: 1.3 yes, 2.0 error: found nothing, expected a whole number [wrong_type]
    ");
}

#[test]
fn numbers() {
    assert_snapshot!(values("float", &["1", "1.5", "-1.5e3", ".5", "1.", ".inf", ".nan", "'1.5'", "a", "1,5"]), @"
    1: yes
    1.5: yes
    -1.5e3: yes
    .5: yes
    1.: yes
    .inf: yes
    .nan: yes
    '1.5': 1.3 yes, 2.0 error: found the text `1.5`, expected a number [wrong_type]
    a: error: found `a`, expected a number [wrong_type]
    1,5: 1.3 warning: a parameter definition has no key `5` in TOSCA 1.3 [unknown_key], 2.0 error: a parameter definition has no key `5` in TOSCA 2.0 [unknown_key]
    ");
}

#[test]
fn truth() {
    assert_snapshot!(values("boolean", &["true", "false", "True", "TRUE", "yes", "no", "on", "off", "1", "'true'", "y"]), @"
    true: yes
    false: yes
    True: yes
    TRUE: yes
    yes: 1.3 yes, 2.0 error: found `yes`, expected `true` or `false` [wrong_type]
    no: 1.3 yes, 2.0 error: found `no`, expected `true` or `false` [wrong_type]
    on: 1.3 yes, 2.0 error: found `on`, expected `true` or `false` [wrong_type]
    off: 1.3 yes, 2.0 error: found `off`, expected `true` or `false` [wrong_type]
    1: error: found `1`, expected `true` or `false` [wrong_type]
    'true': 1.3 yes, 2.0 error: found the text `true`, expected `true` or `false` [wrong_type]
    y: error: found `y`, expected `true` or `false` [wrong_type]
    ");
}

#[test]
fn times_versions_and_bytes() {
    assert_snapshot!(values("timestamp", &["2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31 12:00:00", "2026-1-1t1:00:00.5 +2", "2026-13-01", "2026-02-30", "2026-01-31T25:00:00Z", "12:00", "now"]), @"
    2026-01-31: yes
    2026-01-31T12:00:00Z: yes
    2026-01-31 12:00:00: yes
    2026-1-1t1:00:00.5 +2: yes
    2026-13-01: error: found `2026-13-01`, expected a time such as `2026-01-31T12:00:00Z` [wrong_type]
    2026-02-30: error: found `2026-02-30`, expected a time such as `2026-01-31T12:00:00Z` [wrong_type]
    2026-01-31T25:00:00Z: error: found `2026-01-31T25:00:00Z`, expected a time such as `2026-01-31T12:00:00Z` [wrong_type]
    12:00: error: found `12:00`, expected a time such as `2026-01-31T12:00:00Z` [wrong_type]
    now: error: found `now`, expected a time such as `2026-01-31T12:00:00Z` [wrong_type]
    ");
    assert_snapshot!(values("version", &["'1.2'", "1.2", "1.2.3", "1.2.3.beta-4", "1.2.3.beta", "1", "1.2.3-4", "v1.2", "1.2.x", "0.0"]), @"
    '1.2': yes
    1.2: yes
    1.2.3: yes
    1.2.3.beta-4: yes
    1.2.3.beta: yes
    1: 1.3 yes, 2.0 error: found `1`, expected a version such as `1.2` or `1.2.3.beta-4` [wrong_type]
    1.2.3-4: error: found `1.2.3-4`, expected a version such as `1.2` or `1.2.3.beta-4` [wrong_type]
    v1.2: error: found `v1.2`, expected a version such as `1.2` or `1.2.3.beta-4` [wrong_type]
    1.2.x: error: found `1.2.x`, expected a version such as `1.2` or `1.2.3.beta-4` [wrong_type]
    0.0: yes
    ");
    assert_snapshot!(values("bytes", &["aGk=", "aGk", "'a b'", "''"]), @"
    aGk=: 1.3 error: there is no data type `bytes` [unknown_type], 2.0 yes
    aGk: 1.3 error: there is no data type `bytes` [unknown_type], 2.0 error: found `aGk`, expected bytes in Base64 [wrong_type]
    'a b': 1.3 error: there is no data type `bytes` [unknown_type], 2.0 error: found `a b`, expected bytes in Base64 [wrong_type]
    '': 1.3 error: there is no data type `bytes` [unknown_type], 2.0 yes
    ");
    assert_snapshot!(values("nil", &["~", "null", "a"]), @"
    ~: 1.3 error: there is no data type `nil` [unknown_type], 2.0 yes
    null: 1.3 error: there is no data type `nil` [unknown_type], 2.0 yes
    a: 1.3 error: there is no data type `nil` [unknown_type], 2.0 error: found `a`, expected nothing (`null`) [wrong_type]
    ");
    assert_snapshot!(values("scalar", &["1 m"]), @"1 m: 1.3 error: there is no data type `scalar` [unknown_type], 2.0 error: no value has the type `scalar` itself [abstract_type]");
}

#[test]
fn ranges_and_quantities() {
    assert_snapshot!(values("range", &["[1, 2]", "[2, 1]", "[1, UNBOUNDED]", "[1]", "1"]), @"
    [1, 2]: 1.3 yes, 2.0 error: there is no data type `range` [unknown_type]
    [2, 1]: 1.3 error: found a list of 2, expected a range such as `[1, 10]` or `[1, UNBOUNDED]` [wrong_type], 2.0 error: there is no data type `range` [unknown_type]
    [1, UNBOUNDED]: 1.3 yes, 2.0 error: there is no data type `range` [unknown_type]
    [1]: 1.3 error: found a list of 1, expected a range such as `[1, 10]` or `[1, UNBOUNDED]` [wrong_type], 2.0 error: there is no data type `range` [unknown_type]
    1: 1.3 error: found `1`, expected a range such as `[1, 10]` or `[1, UNBOUNDED]` [wrong_type], 2.0 error: there is no data type `range` [unknown_type]
    ");
    assert_snapshot!(values("scalar-unit.size", &["4 GB", "4GB", "4 gb", "4  GiB", "4", "GB", "4 XB", "-1 MB", "1.5 MB", "1e3 MB"]), @"
    4 GB: yes
    4GB: yes
    4 gb: yes
    4  GiB: yes
    4: error: found `4`, expected a number and a unit (B, kB, KiB, MB, MiB, GB, GiB, TB, TiB) [wrong_type]
    GB: error: found `GB`, expected a number and a unit (B, kB, KiB, MB, MiB, GB, GiB, TB, TiB) [wrong_type]
    4 XB: error: found `4 XB`, expected a number and a unit (B, kB, KiB, MB, MiB, GB, GiB, TB, TiB) [wrong_type]
    -1 MB: yes
    1.5 MB: yes
    1e3 MB: yes
    ");
    assert_snapshot!(values("scalar-unit.time", &["10 s", "1 h", "1 min", "5 ms"]), @"
    10 s: yes
    1 h: yes
    1 min: error: found `1 min`, expected a number and a unit (d, h, m, s, ms, us, ns) [wrong_type]
    5 ms: yes
    ");
    assert_snapshot!(values("scalar-unit.frequency", &["1 GHz", "1 ghz", "1"]), @"
    1 GHz: yes
    1 ghz: yes
    1: error: found `1`, expected a number and a unit (Hz, kHz, MHz, GHz) [wrong_type]
    ");
    assert_snapshot!(values("scalar-unit.bitrate", &["1 Mbps", "1 MBps", "1 Mb"]), @"
    1 Mbps: yes
    1 MBps: yes
    1 Mb: error: found `1 Mb`, expected a number and a unit (bps, Kbps, Kibps, Mbps, Mibps, Gbps, Gibps, Tbps, Tibps, Bps, KBps, KiBps, MBps, MiBps, GBps, GiBps, TBps, TiBps) [wrong_type]
    ");
}

#[test]
fn lists_and_maps() {
    assert_snapshot!(values("list", &["[]", "[1, a]", "{}", "a", "~"]), @"
    []: yes
    [1, a]: yes
    {}: error: found a map, expected a list [wrong_type]
    a: error: found `a`, expected a list [wrong_type]
    ~: 1.3 yes, 2.0 error: found nothing, expected a list [wrong_type]
    ");
    assert_snapshot!(values("map", &["{}", "{a: 1}", "[]", "a"]), @"
    {}: yes
    {a: 1}: yes
    []: error: found a list of 0, expected a map [wrong_type]
    a: error: found `a`, expected a map [wrong_type]
    ");
    assert_snapshot!(values("list, entry_schema: integer", &["[1]", "[a]", "[[1]]"]), @"
    [1]: yes
    [a]: error: found `a`, expected a whole number [wrong_type]
    [[1]]: error: found a list of 1, expected a whole number [wrong_type]
    ");
    assert_snapshot!(values("list, entry_schema: {type: list, entry_schema: {type: map, entry_schema: integer}}", &["[[{a: 1}]]", "[[{a: x}]]", "[{a: 1}]"]), @"
    [[{a: 1}]]: yes
    [[{a: x}]]: error: found `x`, expected a whole number [wrong_type]
    [{a: 1}]: error: found a map (`a: ...`), expected a list [wrong_type]
    ");
    assert_snapshot!(values("map, key_schema: {type: integer}, entry_schema: string", &["{1: a}", "{a: b}"]), @"
    {1: a}: yes
    {a: b}: error: found `a`, expected a whole number [wrong_type]
    ");
    assert_snapshot!(values("strng", &["a"]), @"a: error: there is no data type `strng` [unknown_type]");
}

#[test]
fn a_list_may_leave_open_what_is_in_it_before_2_0_only() {
    assert_snapshot!(check(&v2_0("node_types: {T: {properties: {l: {type: list}, m: {type: map}}}}\n")), @"");
}

#[test]
fn scalars_of_2_0_say_their_units() {
    let types = "\
data_types:
  Length: {derived_from: scalar, data_type: integer, units: {m: 1, km: 1000}}
  Speed: {derived_from: scalar, units: {m: 1}, prefixes: {k: 1000}}
  Short: {derived_from: Length, validation: {$less_than: [$value, 2 km]}}
";
    let value = |of: &str, text: &str| {
        check(&v2_0(&format!("{types}service_template: {{inputs: {{x: {{type: {of}, default: {text}}}}}}}\n")))
    };
    let all = [
        ("Length", "3 km"),
        ("Length", "3.5 km"),
        ("Length", "3 cm"),
        ("Length", "3"),
        ("Speed", "1.5 km"),
        ("Speed", "1 Mm"),
        ("Short", "1999 m"),
        ("Short", "3 km"),
    ];
    assert_snapshot!(all.map(|(of, text)| value(of, text)).concat(), @"
    app.yaml:6:56: error: found `3.5 km`, expected a whole number of its units [wrong_type]
         6 | service_template: {inputs: {x: {type: Length, default: 3.5 km}}}
           |                                                        ^^^^^^
           app.yaml:6:32: its type is `Length` here
    app.yaml:6:56: error: found `3 cm`, expected one of its units (km, m) [wrong_type]
         6 | service_template: {inputs: {x: {type: Length, default: 3 cm}}}
           |                                                        ^^^^
           app.yaml:6:32: its type is `Length` here
    app.yaml:6:56: error: found `3`, expected a number and a unit (km, m) [wrong_type]
         6 | service_template: {inputs: {x: {type: Length, default: 3}}}
           |                                                        ^
           app.yaml:6:32: its type is `Length` here
    app.yaml:6:55: error: found `1 Mm`, expected one of its units (m, with the prefixes k) [wrong_type]
         6 | service_template: {inputs: {x: {type: Speed, default: 1 Mm}}}
           |                                                       ^^^^
           app.yaml:6:32: its type is `Speed` here
    app.yaml:6:55: error: found the text `3 km`, which breaks a rule: {$less_than: [$value, 2 km]} [rule]
         6 | service_template: {inputs: {x: {type: Short, default: 3 km}}}
           |                                                       ^^^^
           app.yaml:5:45: the rule stands here
    ");
    assert_snapshot!(check(&v2_0("\
data_types:
  A: {derived_from: scalar}
  B: {derived_from: scalar, units: {m: 2}}
  C: {derived_from: scalar, units: {m: 1, n: 1}}
  D: {derived_from: scalar, units: {m: 1}, canonical_unit: n}
  E: {derived_from: scalar, units: {m: 1, n: 2}, prefixes: {k: 1000}}
  F: {derived_from: scalar, data_type: string, units: {m: 1}}
  G: {derived_from: integer, units: {m: 1}}
  H: {derived_from: scalar, data_type: integer, units: {m: 1, c: 0.01}}
  I: {derived_from: scalar, data_type: I, units: {m: 1}}
")), @"
    app.yaml:3:3: error: `A` has no units [scalar]
         3 |   A: {derived_from: scalar}
           |   ^
    app.yaml:4:3: error: one of the units has the multiplier 1: the others are told in it [scalar]
         4 |   B: {derived_from: scalar, units: {m: 2}}
           |   ^
    app.yaml:5:3: error: several units have the multiplier 1: `canonical_unit` says which is meant [scalar]
         5 |   C: {derived_from: scalar, units: {m: 1, n: 1}}
           |   ^
    app.yaml:6:60: error: there is no unit `n` [scalar]
         6 |   D: {derived_from: scalar, units: {m: 1}, canonical_unit: n}
           |                                                            ^
    app.yaml:7:50: error: prefixes stand before the only unit: there are several [scalar]
         7 |   E: {derived_from: scalar, units: {m: 1, n: 2}, prefixes: {k: 1000}}
           |                                                  ^^^^^^^^
    app.yaml:8:40: error: `data_type`: found `string`, expected `integer`, `float` or what is derived from them [scalar]
         8 |   F: {derived_from: scalar, data_type: string, units: {m: 1}}
           |                                        ^^^^^^
    app.yaml:9:30: error: only types that are derived from `scalar` have units [scalar]
         9 |   G: {derived_from: integer, units: {m: 1}}
           |                              ^^^^^
    app.yaml:10:66: error: a multiplier: found 0.01, expected a whole number: the values are whole [scalar]
        10 |   H: {derived_from: scalar, data_type: integer, units: {m: 1, c: 0.01}}
           |                                                                  ^^^^
    app.yaml:11:40: error: `data_type`: found `I`, expected `integer`, `float` or what is derived from them [scalar]
        11 |   I: {derived_from: scalar, data_type: I, units: {m: 1}}
           |                                        ^
    ");
}

#[test]
fn data_types_have_properties() {
    let types = "\
data_types:
  D:
    derived_from: tosca.datatypes.Root
    properties:
      name: {type: string}
      port: {type: integer, default: 80}
      more: {type: list, entry_schema: D, required: false}
node_types: {T: {derived_from: tosca.nodes.Root, properties: {d: {type: D}}}}
";
    let value = |text: &str| {
        check(&v1_3(&format!(
            "{types}topology_template: {{node_templates: {{a: {{type: T, properties: {{d: {text}}}}}}}}}\n"
        )))
    };
    assert_snapshot!(value("{name: x, more: [{name: y, port: 1}]}"), @"");
    assert_snapshot!(value("{port: x, nam: y, more: [{}]}"), @"
    app.yaml:10:67: error: a value of `D` has no `name` [missing_property]
        10 | topology_template: {node_templates: {a: {type: T, properties: {d: {port: x, nam: y, more: [{}]}}}}}
           |                                                                   ^
           app.yaml:6:7: `name` is required here
    app.yaml:10:74: error: found `x`, expected a whole number [wrong_type]
        10 | topology_template: {node_templates: {a: {type: T, properties: {d: {port: x, nam: y, more: [{}]}}}}}
           |                                                                          ^
           app.yaml:7:13: its type is `integer` here
    app.yaml:10:77: error: `D` has no property `nam` [unknown_property]
        10 | topology_template: {node_templates: {a: {type: T, properties: {d: {port: x, nam: y, more: [{}]}}}}}
           |                                                                             ^^^
           hint: did you mean `name`?
    app.yaml:10:92: error: a value of `D` has no `name` [missing_property]
        10 | topology_template: {node_templates: {a: {type: T, properties: {d: {port: x, nam: y, more: [{}]}}}}}
           |                                                                                            ^
           app.yaml:6:7: `name` is required here
    ");
    assert_snapshot!(value("x"), @"
    app.yaml:10:67: error: found `x`, expected a map [wrong_type]
        10 | topology_template: {node_templates: {a: {type: T, properties: {d: x}}}}
           |                                                                   ^
           app.yaml:9:66: its type is `D` here
    ");
}

#[test]
fn each_constraint_is_kept() {
    let one = |of: &str, constraint: &str, good: &str, bad: &str| {
        let value = |text: &str| {
            check(&v1_3(&format!(
                "topology_template: {{inputs: {{x: {{type: {of}, constraints: [{{{constraint}}}], default: {text}}}}}}}\n"
            )))
        };
        assert_eq!(value(good), "", "{constraint}: {good}");
        value(bad).lines().next().unwrap_or("nothing is said").to_owned() + "\n"
    };
    assert_snapshot!([
        one("integer", "equal: 1", "1", "2"),
        one("integer", "greater_than: 1", "2", "1"),
        one("integer", "greater_or_equal: 1", "1", "0"),
        one("float", "less_than: 1.5", "1", "1.5"),
        one("float", "less_or_equal: 1.5", "1.5", "2"),
        one("integer", "in_range: [1, 3]", "3", "4"),
        one("integer", "in_range: [1, UNBOUNDED]", "300", "0"),
        one("range", "in_range: [1, 10]", "[2, 9]", "[2, 11]"),
        one("string", "valid_values: [a, '1']", "1", "b"),
        one("string", "length: 2", "ab", "abc"),
        one("string", "min_length: 2", "ab", "a"),
        one("list", "max_length: 1", "[a]", "[a, b]"),
        one("string", "pattern: '[a-z]+'", "ab", "ab1"),
        one("scalar-unit.size", "greater_or_equal: 1 GB", "1024 MB", "999 MB"),
        one("scalar-unit.time", "less_than: 1 m", "59 s", "1 h"),
        one("version", "greater_than: 1.9", "1.10", "1.9.0.beta"),
        one("timestamp", "less_than: 2026-01-02", "2026-01-01", "2026-01-03"),
    ].concat(), @"
    app.yaml:2:85: error: found `2`, which breaks a rule: equal: 1 [rule]
    app.yaml:2:92: error: found `1`, which breaks a rule: greater_than: 1 [rule]
    app.yaml:2:96: error: found `0`, which breaks a rule: greater_or_equal: 1 [rule]
    app.yaml:2:89: error: found `1.5`, which breaks a rule: less_than: 1.5 [rule]
    app.yaml:2:93: error: found `2`, which breaks a rule: less_or_equal: 1.5 [rule]
    app.yaml:2:93: error: found `4`, which breaks a rule: in_range: [1, 3] [rule]
    app.yaml:2:101: error: found `0`, which breaks a rule: in_range: [1, UNBOUNDED] [rule]
    app.yaml:2:92: error: found a list of 2, which breaks a rule: in_range: [1, 10] [rule]
    app.yaml:2:98: error: found the text `b`, which breaks a rule: valid_values: [a, 1] [rule]
    app.yaml:2:85: error: found the text `abc`, which breaks a rule: length: 2 [rule]
    app.yaml:2:89: error: found the text `a`, which breaks a rule: min_length: 2 [rule]
    app.yaml:2:87: error: found a list of 2, which breaks a rule: max_length: 1 [rule]
    app.yaml:2:93: error: found the text `ab1`, which breaks a rule: pattern: [a-z]+ [rule]
    app.yaml:2:108: error: found the text `999 MB`, which breaks a rule: greater_or_equal: 1 GB [rule]
    app.yaml:2:100: error: found the text `1 h`, which breaks a rule: less_than: 1 m [rule]
    app.yaml:2:94: error: found the text `1.9.0.beta`, which breaks a rule: greater_than: 1.9 [rule]
    app.yaml:2:100: error: found the text `2026-01-03`, which breaks a rule: less_than: 2026-01-02 [rule]
    ");
}

#[test]
fn constraints_that_say_nothing_are_told() {
    let one = |constraints: &str| {
        check(&v1_3(&format!(
            "topology_template: {{inputs: {{x: {{type: integer, constraints: {constraints}, default: 1}}}}}}\n"
        )))
    };
    let all = [
        "[{greater: 0}]",
        "[{in_range: [1]}]",
        "[{in_range: 1}]",
        "[{valid_values: 1}]",
        "greater_than",
        "[greater_than]",
        "[{greater_than: a}]",
        "[{greater_than: 0, less_than: 5}]",
        "{greater_than: 5}",
        "[{pattern: '['}]",
    ];
    assert_snapshot!(all.map(one).concat(), @"
    app.yaml:2:64: error: there is no constraint `greater` [unknown_constraint]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [{greater: 0}], default: 1}}}
           |                                                                ^^^^^^^
           hint: there are: equal, greater_or_equal, greater_than, in_range, length, less_or_equal, less_than, max_length, min_length, pattern, schema, valid_values
    app.yaml:2:74: error: `in_range`: found a list of 1, expected two bounds such as `[1, 10]` [wrong_form]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [{in_range: [1]}], default: 1}}}
           |                                                                          ^
    app.yaml:2:74: error: `in_range`: found `1`, expected two bounds such as `[1, 10]` [wrong_form]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [{in_range: 1}], default: 1}}}
           |                                                                          ^
    app.yaml:2:78: error: `valid_values`: found `1`, expected a list of values [wrong_form]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [{valid_values: 1}], default: 1}}}
           |                                                                              ^
    app.yaml:2:62: error: `constraints`: found `greater_than`, expected a list such as `- greater_than: 1` [wrong_form]
         2 | topology_template: {inputs: {x: {type: integer, constraints: greater_than, default: 1}}}
           |                                                              ^^^^^^^^^^^^
    app.yaml:2:63: error: found `greater_than`, expected a constraint such as `greater_than: 1` [wrong_form]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [greater_than], default: 1}}}
           |                                                               ^^^^^^^^^^^^
    app.yaml:2:78: error: found `a`, expected a whole number [wrong_type]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [{greater_than: a}], default: 1}}}
           |                                                                              ^
    app.yaml:2:90: error: found `1`, which breaks a rule: greater_than: 5 [rule]
         2 | topology_template: {inputs: {x: {type: integer, constraints: {greater_than: 5}, default: 1}}}
           |                                                                                          ^
           app.yaml:2:63: the rule stands here
    app.yaml:2:64: error: `[` is no regular expression that can be used: unclosed character class [function]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [{pattern: '['}], default: 1}}}
           |                                                                ^^^^^^^
    app.yaml:2:64: error: `pattern`: found `1`, expected a text [function]
         2 | topology_template: {inputs: {x: {type: integer, constraints: [{pattern: '['}], default: 1}}}
           |                                                                ^^^^^^^
    ");
}

#[test]
fn each_function_validates() {
    let one = |of: &str, validation: &str, good: &str, bad: &str| {
        let value = |text: &str| {
            check(&v2_0(&format!(
                "service_template: {{inputs: {{x: {{type: {of}, validation: {{{validation}}}, default: {text}}}}}}}\n"
            )))
        };
        assert_eq!(value(good), "", "{validation}: {good}");
        value(bad).lines().next().unwrap_or("nothing is said").to_owned() + "\n"
    };
    let list = "list, entry_schema: string";
    let map = "map, entry_schema: string";
    assert_snapshot!([
        one("integer", "$equal: [$value, 1]", "1", "2"),
        one("integer", "$greater_than: [$value, 1]", "2", "1"),
        one("integer", "$greater_or_equal: [$value, 1]", "1", "0"),
        one("float", "$less_than: [$value, 1.5]", "1", "1.5"),
        one("float", "$less_or_equal: [$value, 1.5]", "1.5", "2"),
        one("string", "$valid_values: [$value, [a, b]]", "a", "c"),
        one("string", "$matches: [$value, '[a-z]+']", "ab", "ab1"),
        one("string", "$has_prefix: [$value, a]", "ab", "ba"),
        one("string", "$has_suffix: [$value, a]", "ba", "ab"),
        one("string", "$contains: [$value, b]", "abc", "ac"),
        one(list, "$has_entry: [$value, a]", "[a, b]", "[b]"),
        one(list, "$has_all_entries: [$value, [a, b]]", "[b, a]", "[a]"),
        one(list, "$has_any_entry: [$value, [a, b]]", "[b]", "[c]"),
        one(map, "$has_key: [$value, a]", "{a: x}", "{b: x}"),
        one(map, "$has_all_keys: [$value, [a, b]]", "{a: x, b: x}", "{a: x}"),
        one(map, "$has_any_key: [$value, [a, b]]", "{b: x}", "{c: x}"),
        one("string", "$equal: [{$length: [$value]}, 2]", "ab", "a"),
        one("integer", "$and: [{$greater_than: [$value, 0]}, {$less_than: [$value, 9]}]", "5", "9"),
        one("integer", "$or: [{$equal: [$value, 1]}, {$equal: [$value, 3]}]", "3", "2"),
        one("integer", "$not: [{$equal: [$value, 1]}]", "2", "1"),
        one("integer", "$xor: [{$greater_than: [$value, 0]}, {$greater_than: [$value, 5]}]", "3", "7"),
    ].concat(), @"
    app.yaml:2:92: error: found `2`, which breaks a rule: {$equal: [$value, 1]} [rule]
    app.yaml:2:99: error: found `1`, which breaks a rule: {$greater_than: [$value, 1]} [rule]
    app.yaml:2:103: error: found `0`, which breaks a rule: {$greater_or_equal: [$value, 1]} [rule]
    app.yaml:2:96: error: found `1.5`, which breaks a rule: {$less_than: [$value, 1.5]} [rule]
    app.yaml:2:100: error: found `2`, which breaks a rule: {$less_or_equal: [$value, 1.5]} [rule]
    app.yaml:2:103: error: found the text `c`, which breaks a rule: {$valid_values: [$value, [a, b]]} [rule]
    app.yaml:2:100: error: found the text `ab1`, which breaks a rule: {$matches: [$value, [a-z]+]} [rule]
    app.yaml:2:96: error: found the text `ba`, which breaks a rule: {$has_prefix: [$value, a]} [rule]
    app.yaml:2:96: error: found the text `ab`, which breaks a rule: {$has_suffix: [$value, a]} [rule]
    app.yaml:2:94: error: found the text `ac`, which breaks a rule: {$contains: [$value, b]} [rule]
    app.yaml:2:115: error: found a list of 1, which breaks a rule: {$has_entry: [$value, a]} [rule]
    app.yaml:2:126: error: found a list of 1, which breaks a rule: {$has_all_entries: [$value, [a, b]]} [rule]
    app.yaml:2:124: error: found a list of 1, which breaks a rule: {$has_any_entry: [$value, [a, b]]} [rule]
    app.yaml:2:112: error: found a map, which breaks a rule: {$has_key: [$value, a]} [rule]
    app.yaml:2:122: error: found a map, which breaks a rule: {$has_all_keys: [$value, [a, b]]} [rule]
    app.yaml:2:121: error: found a map, which breaks a rule: {$has_any_key: [$value, [a, b]]} [rule]
    app.yaml:2:104: error: found the text `a`, which breaks a rule: {$equal: [{$length: [$value]}, 2]} [rule]
    app.yaml:2:136: error: found `9`, which breaks a rule: {$and: [{$greater_than: [$value, 0]}, {$less_than: [$value, 9]}]} [rule]
    app.yaml:2:124: error: found `2`, which breaks a rule: {$or: [{$equal: [$value, 1]}, {$equal: [$value, 3]}]} [rule]
    app.yaml:2:102: error: found `1`, which breaks a rule: {$not: [{$equal: [$value, 1]}]} [rule]
    app.yaml:2:139: error: found `7`, which breaks a rule: {$xor: [{$greater_than: [$value, 0]}, {$greater_than: [$value, 5]}]} [rule]
    ");
}

#[test]
fn validations_that_say_nothing_are_told() {
    let one = |validation: &str| {
        check(&v2_0(&format!(
            "service_template: {{inputs: {{x: {{type: integer, validation: {validation}, default: 1}}}}}}\n"
        )))
    };
    let all = [
        "5",
        "{greater_than: [$value, 1]}",
        "{$greater: [$value, 1]}",
        "{$greater_than: [$value]}",
        "{$greater_than: [$value, a]}",
        "{$sum: [$value, 1]}",
        "{$matches: [$value, '[']}",
    ];
    assert_snapshot!(all.map(one).concat(), @"
    app.yaml:2:60: error: `validation`: found `5`, expected a function such as `$greater_than: [$value, 1]` [wrong_form]
         2 | service_template: {inputs: {x: {type: integer, validation: 5, default: 1}}}
           |                                                            ^
    app.yaml:2:60: error: `validation`: found a map (`greater_than: ...`), expected a function such as `$greater_than: [$value, 1]` [wrong_form]
         2 | service_template: {inputs: {x: {type: integer, validation: {greater_than: [$value, 1]}, default: 1}}}
           |                                                            ^
           hint: in TOSCA 2.0 functions begin with `$`: `$greater_than`
    app.yaml:2:60: error: there is no function `$greater` [unknown_function]
         2 | service_template: {inputs: {x: {type: integer, validation: {$greater: [$value, 1]}, default: 1}}}
           |                                                            ^
    app.yaml:2:60: error: `greater_than` takes 2 arguments, found 1 [function]
         2 | service_template: {inputs: {x: {type: integer, validation: {$greater_than: [$value]}, default: 1}}}
           |                                                            ^
    app.yaml:2:99: error: found `1`, which breaks a rule: {$greater_than: [$value, a]} [rule]
         2 | service_template: {inputs: {x: {type: integer, validation: {$greater_than: [$value, a]}, default: 1}}}
           |                                                                                                   ^
           app.yaml:2:60: the rule stands here
    app.yaml:2:60: error: `validation`: {$sum: [$value, 1]} comes to `2`, expected `true` or `false` [wrong_type]
         2 | service_template: {inputs: {x: {type: integer, validation: {$sum: [$value, 1]}, default: 1}}}
           |                                                            ^
    app.yaml:2:60: error: `matches`: found `1`, expected a text [function]
         2 | service_template: {inputs: {x: {type: integer, validation: {$matches: [$value, '[']}, default: 1}}}
           |                                                            ^
    ");
}
