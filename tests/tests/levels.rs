//! The levels of `docs/architecture.md`: each module of a crate stands there, and imports only from lower ones. Of folders this
//! looks at the whole; in which order their files stand is for readers.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

type Levels = HashMap<String, usize>;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The block of the document, by crate.
fn documented() -> BTreeMap<String, Levels> {
    let document = fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let (_, block) = document.split_once("```text\nevent-bus-core/src").expect("the block of levels");
    let (block, _) = block.split_once("```").unwrap();
    let mut crates: BTreeMap<String, Levels> = BTreeMap::new();
    let mut name = "event-bus-core";
    for line in block.lines() {
        if let Some((other, chain)) =
            line.split_once("/src ").filter(|(name, _)| name.starts_with("event-bus-"))
        {
            name = other;
            crates.insert(name.to_owned(), of_chain(chain));
        } else if name == "event-bus-core" {
            crates.entry(name.to_owned()).or_default().extend(of_row(line));
        }
    }
    crates
}

/// `12  bus.rs, memory/  what is there`: modules on one level. Other rows speak of what is in a folder.
fn of_row(row: &str) -> Levels {
    let mut words = row.split_whitespace();
    let Some(level) = words.next().and_then(|word| word.parse().ok()) else { return Levels::new() };
    let modules = words.map_while(|word| {
        let word = word.trim_end_matches(',');
        word.strip_suffix(".rs").or_else(|| word.strip_suffix('/'))
    });
    modules.map(|module| (module.to_owned(), level)).collect()
}

/// `a, b < c (what it is) < d`: levels from the lowest on.
fn of_chain(chain: &str) -> Levels {
    let without_remarks: String =
        chain.split('(').map(|part| part.split_once(')').map_or(part, |(_, behind)| behind)).collect();
    let levels = without_remarks.split('<').enumerate();
    levels
        .flat_map(|(level, modules)| modules.split(',').map(move |module| (module.trim().to_owned(), level)))
        .collect()
}

/// Which modules of its crate each one imports from.
fn imports(source: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut used = imported_below(&path);
        used.remove(&module);
        imports.entry(module).or_default().append(&mut used);
    }
    imports
}

fn imported_below(path: &Path) -> BTreeSet<String> {
    if path.is_dir() {
        return fs::read_dir(path)
            .unwrap()
            .flat_map(|entry| imported_below(&entry.unwrap().path()))
            .collect();
    }
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(imported_in).collect()
}

/// What stands behind `crate::` in a line, but for macros: they name the crate by `$crate`, and those for generated code (`__…`) stand
/// at its root, wherever they are written.
fn imported_in(line: &str) -> impl Iterator<Item = String> {
    let paths = line.match_indices("crate::").filter(|(at, _)| !line[..*at].ends_with(is_of_a_name));
    let names = paths.map(|(at, found)| line[at + found.len()..].chars().take_while(|c| is_of_a_name(*c)));
    names.map(String::from_iter).filter(|name| !name.starts_with("__"))
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

#[test]
fn each_module_imports_only_from_lower_levels() {
    let crates = documented();
    assert_eq!(crates.len(), 3, "{:?}", crates.keys());
    let mut wrong = Vec::new();
    for (name, levels) in crates {
        let imports = imports(&workspace().join(&name).join("src"));
        let count: usize = imports.values().map(BTreeSet::len).sum();
        assert!(count > 20, "{name} has more than {count} imports");
        for module in levels.keys().filter(|module| !imports.contains_key(*module)) {
            wrong.push(format!("{name} has no {module}"));
        }
        for (module, used) in &imports {
            let Some(level) = levels.get(module) else {
                wrong.push(format!("{name}: {module} is on no level"));
                continue;
            };
            for other in used.iter().filter(|other| levels.get(*other).is_none_or(|lower| lower >= level)) {
                wrong.push(format!("{name}: {module} imports from {other}, which is not below it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
