//! Who may depend on whom.

use super::Source;

/// Every edge there may be, dev-dependencies included. `bench` may use anything.
const EDGES: &[(&str, &[&str])] = &[
    ("crates/websocket", &[]),
    ("crates/sockjs", &[]),
    ("crates/stomp", &[]),
    ("crates/broker", &["tidings-stomp"]),
    ("crates/macros", &[]),
    (
        "crates/tidings",
        &[
            "tidings-broker",
            "tidings-macros",
            "tidings-sockjs",
            "tidings-stomp",
            "tidings-websocket",
        ],
    ),
    ("crates/cli", &["tidings"]),
    ("crates/sim", &["tidings-broker", "tidings-sockjs", "tidings-stomp"]),
    ("fuzz", &["tidings-broker", "tidings-sockjs", "tidings-stomp", "tidings-websocket"]),
    ("interop/autobahn", &["tidings"]),
    ("interop/brokers", &["tidings"]),
    ("xtask", &[]),
];

/// Crates that nothing may depend on.
const LEAVES: &[&str] = &[
    "tidings-cli",
    "tidings-sim",
    "tidings-bench",
    "tidings-fuzz",
    "tidings-autobahn",
    "tidings-brokers",
    "xtask",
];

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let manifests = sources.iter().filter(|source| source.path.ends_with("/Cargo.toml"));
    manifests.flat_map(|manifest| check_manifest(&manifest.path, &manifest.text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<String> {
    let folder = path.trim_end_matches("/Cargo.toml");
    let ours = dependencies(text).filter(|name| name.starts_with("tidings") || *name == "xtask");
    let mut complaints = Vec::new();
    let allowed = EDGES.iter().find(|(known, _)| *known == folder).map(|(_, allowed)| *allowed);
    if allowed.is_none() && folder != "bench" {
        complaints.push(format!("{path}: a crate that xtask/src/tidy/graph.rs does not know"));
    }
    for name in ours {
        let forbidden = allowed.is_some_and(|allowed| !allowed.contains(&name));
        if forbidden || LEAVES.contains(&name) {
            complaints.push(format!("{path}: must not depend on {name}"));
        }
    }
    if folder == "xtask" && dependencies(text).next().is_some() {
        complaints
            .push(format!("{path}: xtask has no dependencies, it compiles before everything"));
    }
    complaints
}

/// The names in all tables of dependencies.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = table.ends_with("dependencies");
            return None;
        }
        let name = line.split(['.', '=', ' ']).next()?;
        (inside && !name.is_empty() && !name.starts_with('#')).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check_manifest(path, text).len()
    }

    #[test]
    fn an_edge_that_is_not_allowed_is_found() {
        let manifest = "[dependencies]\ntidings-stomp.workspace = true\nbytes = \"1\"\n";
        assert_eq!(complaints("crates/broker/Cargo.toml", manifest), 0);
        assert_eq!(complaints("crates/sockjs/Cargo.toml", manifest), 1);
        let dev = "[dev-dependencies]\ntidings = { path = \"..\" }\n";
        assert_eq!(complaints("crates/macros/Cargo.toml", dev), 1);
    }

    #[test]
    fn nothing_depends_on_a_leaf() {
        assert_eq!(complaints("bench/Cargo.toml", "[dependencies]\ntidings-cli = \"1\"\n"), 1);
    }

    #[test]
    fn xtask_has_no_dependencies_and_every_crate_is_known() {
        assert_eq!(complaints("xtask/Cargo.toml", "[dependencies]\nbytes = \"1\"\n"), 1);
        assert_eq!(complaints("crates/new/Cargo.toml", "[package]\nname = \"new\"\n"), 1);
    }
}
