//! The layers of ARCHITECTURE.md are those of the code: the page's own lists are read and held
//! against every import.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

/// Each module's layer, the lowest 0.
fn layers() -> BTreeMap<String, usize> {
    let page = page();
    let (_, rest) = page.split_once("```layers\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let lines = block.lines().rev().enumerate();
    lines
        .flat_map(|(rank, line)| line.split(' ').map(move |name| (name.to_owned(), rank)))
        .collect()
}

/// The words in backticks of the page's list items that say `what`, continuation lines left out.
fn items(what: &str) -> Vec<Vec<String>> {
    let page = page();
    let items = page.lines().filter(|line| line.starts_with("- `src/"));
    items
        .filter(|line| line.contains(what))
        .map(|line| {
            let words = line.split('`').skip(1).step_by(2);
            words.map(str::to_owned).collect()
        })
        .collect()
}

/// Every source file that is no test.
fn files() -> Vec<PathBuf> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "tests" {
                walk(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "rs") && name != "tests.rs" {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join("src"), &mut out);
    out.sort();
    out
}

/// The module of `src/` that a file belongs to, and its path from the root.
fn place(file: &Path) -> (String, String) {
    let path = file.strip_prefix(root()).unwrap().to_str().unwrap();
    let tail = path.strip_prefix("src/").unwrap();
    let module = tail.split('/').next().unwrap();
    (
        module.strip_suffix(".rs").unwrap_or(module).to_owned(),
        path.to_owned(),
    )
}

/// The modules below `crate::` (or `homewatch::`) that the file's code names, outside of its tests.
fn imports(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: String = (code.lines())
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = BTreeSet::new();
    for start in ["crate::", "homewatch::"] {
        for after in code.split(start).skip(1) {
            let heads = match after.strip_prefix('{') {
                Some(group) => group.split('}').next().unwrap().split(',').collect(),
                None => vec![after],
            };
            for head in heads {
                let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let word = head.trim_start().split(ends).next().unwrap();
                if word.starts_with(|c: char| c.is_ascii_lowercase()) {
                    found.insert(word.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn imports_point_down() {
    let layers = layers();
    let exceptions = items("imports `");
    let mut used = BTreeSet::new();
    for file in files() {
        let (module, path) = place(&file);
        if module == "lib" {
            continue;
        }
        let rank = |name: &str| {
            let place = "has no place in the layers of ARCHITECTURE.md";
            *(layers.get(name)).unwrap_or_else(|| panic!("{path}: the module {name} {place}"))
        };
        for import in imports(&file) {
            if import == module || rank(&import) < rank(&module) {
                continue;
            }
            let listed = exceptions.iter().find(|item| **item == [&*path, &*import]);
            assert!(
                listed.is_some(),
                "{path} imports {import}, which is not below {module}"
            );
            used.insert((path.clone(), import));
        }
    }
    assert_eq!(used.len(), exceptions.len(), "an exception is used up");
}

#[test]
fn what_decides_is_pure() {
    let pure = items("imports only");
    assert!(!pure.is_empty());
    for item in pure {
        let [dir, allowed @ ..] = item.as_slice() else {
            panic!("{item:?}");
        };
        for file in files() {
            let (module, path) = place(&file);
            if !path.starts_with(dir) || allowed.contains(&path) {
                continue;
            }
            for import in imports(&file) {
                assert!(
                    import == module || allowed.contains(&import),
                    "{path} imports {import}"
                );
            }
        }
    }
}

#[test]
fn the_page_names_every_module_and_no_other() {
    let modules: BTreeSet<String> = files().iter().map(|file| place(file).0).collect();
    let mut named: BTreeSet<String> = layers().into_keys().collect();
    named.insert("lib".to_owned());
    assert_eq!(modules, named);
    for module in modules.iter().filter(|module| *module != "lib") {
        let rows = [
            format!("| `src/{module}/` |"),
            format!("| `src/{module}.rs` |"),
        ];
        let page = page();
        assert!(
            rows.iter().any(|row| page.contains(row)),
            "{module} is not in \"Where things live\""
        );
    }
}

#[test]
fn an_import_is_found_however_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.rs");
    let text = "//! [`crate::prose`]\nuse crate::bus::Bus;\nuse crate::{config::X, model};\n\
                fn f() { crate::host::g(); }\n#[cfg(test)]\nmod tests { use crate::store; }\n";
    std::fs::write(&file, text).unwrap();
    let found: Vec<String> = imports(&file).into_iter().collect();
    assert_eq!(found, ["bus", "config", "host", "model"]);
}
