//! Who may read and publish what.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{EmbeddedConfig, EmbeddedUser};
use crate::model::{Topics, matches, overlaps};

/// What a client may do.
///
/// This node's own topics are protected: publishing below `<base>/<node>/` needs a filter that
/// names that prefix literally (`homewatch/nas/#`, not `#`); `cmd/` below it needs `commands`
/// or such a filter.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    read: Vec<String>,
    publish: Vec<String>,
    commands: bool,
    own: Arc<str>,
}

impl Rights {
    fn of(user: &EmbeddedUser, own: &Arc<str>) -> Self {
        Self {
            read: user.read.clone(),
            publish: user.publish.clone(),
            commands: user.commands,
            own: Arc::clone(own),
        }
    }

    /// What everybody on this machine may while there are no users: all but speaking for us.
    fn local(own: &Arc<str>) -> Self {
        Self {
            read: vec!["#".to_owned()],
            publish: vec!["#".to_owned()],
            commands: true,
            own: Arc::clone(own),
        }
    }

    /// Whether a message on `topic` may be taken from the client.
    pub(super) fn may_publish(&self, topic: &str) -> bool {
        let granted = |filter: &&String| matches(filter, topic);
        let Some(tail) = topic.strip_prefix(&*self.own) else {
            return self.publish.iter().any(|filter| granted(&filter));
        };
        let command = tail.starts_with("cmd/");
        let named = |filter: &&String| filter.starts_with(&*self.own);
        (command && self.commands)
            || self
                .publish
                .iter()
                .filter(named)
                .any(|filter| granted(&filter))
    }

    /// Whether a subscription could ever give the client something; what it gives is judged
    /// message by message.
    pub(super) fn may_subscribe(&self, filter: &str) -> bool {
        // Tools ask for `$SYS` as a matter of course. There is nothing in it, so nobody is hurt.
        filter.starts_with("$SYS/") || self.read.iter().any(|granted| overlaps(granted, filter))
    }

    /// Whether the client may see a message on `topic`.
    pub(super) fn may_read(&self, topic: &str) -> bool {
        self.read.iter().any(|granted| matches(granted, topic))
    }
}

/// Every user.
#[derive(Debug)]
pub(super) struct Users {
    users: BTreeMap<String, EmbeddedUser>,
    own: Arc<str>,
}

impl Users {
    pub(super) fn new(config: &EmbeddedConfig, topics: &Topics) -> Self {
        Self {
            users: config.users.clone(),
            own: format!("{}/{}/", topics.base(), topics.node()).into(),
        }
    }

    /// The rights of whoever gives this login; `None` if it is wrong. With no users at all,
    /// everybody who comes by a `local` listener is let in, whatever the login.
    pub(super) fn login(&self, login: Option<(&str, &str)>, local: bool) -> Option<Rights> {
        if self.users.is_empty() {
            return local.then(|| Rights::local(&self.own));
        }
        let (name, password) = login?;
        let user = self.users.get(name);
        let expected = user.map_or("", |user| user.password.reveal());
        // Compared even for an unknown name, so that the time taken does not tell names.
        let same = same(expected.as_bytes(), password.as_bytes());
        user.filter(|_| same)
            .map(|user| Rights::of(user, &self.own))
    }
}

/// Compares digests in a time that depends on neither's content.
fn same(one: &[u8], other: &[u8]) -> bool {
    use sha2::{Digest as _, Sha256};
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter()
        .zip(other.iter())
        .fold(0, |all, (a, b)| all | (a ^ b))
        == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn users(list: &[(&str, &[&str], &[&str], bool)]) -> Users {
        let mut config = EmbeddedConfig::default();
        for (name, read, publish, commands) in list {
            let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
            let user = EmbeddedUser {
                password: Secret::new(format!("{name}-secret")),
                read: texts(read),
                publish: texts(publish),
                commands: *commands,
            };
            config.users.insert((*name).to_owned(), user);
        }
        Users::new(&config, &Topics::new("homewatch", "nas", "homeassistant"))
    }

    #[test]
    fn without_users_only_this_machine_is_let_in_and_may_not_speak_for_us() {
        let users = users(&[]);
        assert!(users.login(None, false).is_none());
        assert!(users.login(Some(("a", "b")), false).is_none());
        let rights = users.login(None, true).unwrap();
        assert!(rights.may_subscribe("#") && rights.may_read("any/topic"));
        assert!(rights.may_publish("tele/plug/SENSOR"));
        assert!(rights.may_publish("homewatch/nas/cmd/internet/test"));
        assert!(
            rights.may_publish("homewatch/pi/status"),
            "another node's bridge"
        );
        assert!(!rights.may_publish("homewatch/nas/status"));
        assert!(!rights.may_publish("homewatch/nas/health/cpu"));
    }

    #[test]
    fn with_users_nobody_is_let_in_without_the_right_password() {
        let users = users(&[("ha", &["#"], &[], true)]);
        for login in [
            None,
            Some(("ha", "")),
            Some(("ha", "x")),
            Some(("", "ha-secret")),
        ] {
            assert!(users.login(login, true).is_none(), "{login:?}");
        }
        assert!(users.login(Some(("ha", "ha-secret")), false).is_some());
    }

    #[test]
    fn filters_bound_what_a_user_reads_and_publishes() {
        let users = users(&[
            ("phone", &["homewatch/+/alert/#"], &[], false),
            (
                "plug",
                &["cmnd/plug/#"],
                &["tele/plug/#", "stat/plug/#"],
                false,
            ),
            ("wide", &["#"], &["#"], false),
            ("relay", &["#"], &["homewatch/nas/#"], false),
        ]);
        let rights = |name: &str| {
            users
                .login(Some((name, format!("{name}-secret").as_str())), false)
                .unwrap()
        };
        let phone = rights("phone");
        assert!(phone.may_subscribe("#") && phone.may_subscribe("homewatch/#"));
        assert!(!phone.may_subscribe("homewatch/nas/power/+"));
        assert!(phone.may_read("homewatch/nas/alert/x") && !phone.may_read("homewatch/nas/status"));
        assert!(!phone.may_publish("homewatch/nas/cmd/alert/x/ack"));
        let plug = rights("plug");
        assert!(plug.may_publish("tele/plug/LWT") && !plug.may_publish("tele/other/LWT"));
        let wide = rights("wide");
        assert!(wide.may_publish("a") && !wide.may_publish("homewatch/nas/status"));
        assert!(
            !wide.may_publish("homewatch/nas/cmd/host/reboot"),
            "# is no grant of commands"
        );
        let relay = rights("relay");
        assert!(relay.may_publish("homewatch/nas/status") && !relay.may_publish("a"));
    }
}
