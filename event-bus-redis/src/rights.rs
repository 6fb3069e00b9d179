//! What a user lacks whom the server refuses something: the rule to grant.

use std::sync::Arc;

use event_bus_core::transport::TopicKind;

pub(crate) fn to_publish(user: &str, command: &str, channel: &str) -> String {
    let command = command.to_ascii_lowercase();
    format!("user {user:?} may not publish on {channel}: grant `+{command} &{}`", all_of_bus(channel))
}

pub(crate) fn to_listen(user: &str, kind: TopicKind, names: &[Arc<str>]) -> String {
    let (command, rules): (_, Vec<String>) = match kind {
        // The server wants to see a pattern among those of the user, letter by letter.
        TopicKind::Pattern => ("psubscribe", names.iter().map(|name| format!("&{name}")).collect()),
        TopicKind::ShardChannel => {
            ("ssubscribe", names.iter().map(|name| format!("&{}", all_of_bus(name))).collect())
        }
        _ => ("subscribe", names.iter().map(|name| format!("&{}", all_of_bus(name))).collect()),
    };
    let mut rules = rules;
    rules.dedup();
    format!("user {user:?} may not listen to {}: grant `+{command} {}`", names.join(" or "), rules.join(" "))
}

/// A rule for each channel would be forgotten for the next one.
fn all_of_bus(channel: &str) -> String {
    match channel.split_once('/') {
        Some((bus, _)) => format!("{bus}/*"),
        None => channel.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_the_bus_and_a_pattern_itself() {
        let told = to_publish("worker", "PUBLISH", "execution_event/x");
        assert_eq!(
            told,
            "user \"worker\" may not publish on execution_event/x: grant `+publish &execution_event/*`"
        );
        let names: Vec<Arc<str>> = vec!["b/1".into(), "b/2".into()];
        assert!(to_listen("w", TopicKind::Channel, &names).ends_with("`+subscribe &b/*`"));
        assert!(to_listen("w", TopicKind::ShardChannel, &names).ends_with("`+ssubscribe &b/*`"));
        let patterns: Vec<Arc<str>> = vec!["b/user-1/*".into()];
        assert!(to_listen("w", TopicKind::Pattern, &patterns).ends_with("`+psubscribe &b/user-1/*`"));
    }
}
