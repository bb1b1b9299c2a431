//! An inventory made of the executor's hosts file.
//!
//! Owns its form: JSON, which is YAML. Promises that every host is reached as the hosts file says, with its keys
//! pinned, whatever its own vars say.

use serde_json::{Map, Value, json};

use crate::hosts::Hosts;

/// All hosts, each in its groups.
pub(super) fn of(hosts: &Hosts) -> Value {
    let mut all = Map::new();
    let mut groups: Map<String, Value> = Map::new();
    for (name, host) in hosts.iter() {
        let mut vars: Map<String, Value> = host.vars.clone().into_iter().collect();
        let options: Vec<String> =
            hosts.options(name, host).iter().map(|option| quoted(&option.to_string_lossy())).collect();
        vars.insert("ansible_host".to_owned(), host.address(name).into());
        // Connections are shared by whoever has the same address, port and user.
        vars.insert("ansible_port".to_owned(), host.port().into());
        vars.extend(host.user().map(|user| ("ansible_user".to_owned(), user.into())));
        vars.insert("ansible_ssh_common_args".to_owned(), options.join(" ").into());
        all.insert(name.to_owned(), Value::Object(vars));
        for group in &host.groups {
            let group = groups.entry(group.clone()).or_insert_with(|| json!({"hosts": {}}));
            group["hosts"][name] = Value::Null;
        }
    }
    json!({"all": {"hosts": all, "children": groups}})
}

/// As a shell would read it: ansible splits the options like one, after it has looked for templates.
fn quoted(option: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/=._-:@,+".contains(c);
    let text =
        if option.chars().all(plain) { option.to_owned() } else { format!("'{}'", option.replace('\'', r#"'"'"'"#)) };
    if text.contains("{{") || text.contains("{%") || text.contains("{#") {
        format!("{{% raw %}}{text}{{% endraw %}}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_quoted_where_they_are_more_than_a_word() {
        assert_eq!(quoted("UserKnownHostsFile=/data/known_hosts"), "UserKnownHostsFile=/data/known_hosts");
        assert_eq!(quoted("IdentityFile=/a b/it's"), r#"'IdentityFile=/a b/it'"'"'s'"#);
        assert_eq!(quoted("IdentityFile=/{{x}}"), "{% raw %}'IdentityFile=/{{x}}'{% endraw %}");
    }
}
