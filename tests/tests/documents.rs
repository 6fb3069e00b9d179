//! The documents: what they link to is there, and so are the tests that they name; the public API as it is recorded names no
//! crate that may be exchanged. That their examples compile is shown by the doc tests of this crate.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A name in a document that has so many words is that of a test.
const WORDS_OF_A_TEST: usize = 4;

/// Whose types the public API may name.
const PUBLIC_CRATES: [&str; 10] = [
    "event_bus_core",
    "event_bus_derive",
    "event_bus_redis",
    "core",
    "alloc",
    "std",
    "bytes",
    "serde_core",
    "tracing",
    "futures_core",
];

struct Document {
    path: PathBuf,
    /// Without what stands in blocks of code.
    prose: String,
}

impl Document {
    fn read(path: PathBuf) -> Self {
        let (mut prose, mut is_code) = (String::new(), false);
        for line in fs::read_to_string(&path).unwrap().lines() {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            if !is_code && !is_fence {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        Self { path, prose }
    }

    /// What stands between backticks, and what stands outside.
    fn code_and_text(&self) -> (Vec<&str>, String) {
        let (mut code, mut text) = (Vec::new(), String::new());
        for line in self.prose.lines() {
            for (at, part) in line.split('`').enumerate() {
                if at % 2 == 1 {
                    code.push(part);
                } else {
                    text.push_str(part);
                }
            }
            text.push('\n');
        }
        (code, text)
    }

    fn links(&self) -> Vec<String> {
        let (_, text) = self.code_and_text();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
    }

    /// What a link to a heading of this is called.
    fn anchors(&self) -> HashSet<String> {
        let headings = self.prose.lines().filter_map(|line| line.strip_prefix('#'));
        headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files below `folder` with that extension, but for what was built.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name != "target" && !name.starts_with('.')
    };
    let below = folders.iter().filter(|path| is_ours(path)).flat_map(|path| self::files(path, extension));
    let here = files.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension));
    here.chain(below).collect()
}

fn documents() -> Vec<Document> {
    let documents: Vec<_> = files(&workspace(), "md").into_iter().map(Document::read).collect();
    assert!(documents.len() > 5, "there are more");
    documents
}

#[test]
fn what_documents_link_to_is_there() {
    let mut links = 0;
    for document in documents() {
        for link in document.links() {
            links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => document.path.clone(),
                file => document.path.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: there is no {link}", document.path.display());
            if !heading.is_empty() {
                let is_there = Document::read(target).anchors().contains(heading);
                assert!(is_there, "{}: there is no heading {link}", document.path.display());
            }
        }
    }
    assert!(links > 100, "there are more than {links} links");
}

#[test]
fn tests_that_documents_name_are_there() {
    let code: String =
        files(&workspace(), "rs").into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let functions: HashSet<&str> = code
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .collect();
    let mut tests = 0;
    for document in documents() {
        let (names, _) = document.code_and_text();
        let is_name =
            |text: &&str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        for name in
            names.into_iter().filter(is_name).filter(|name| name.split('_').count() >= WORDS_OF_A_TEST)
        {
            tests += 1;
            assert!(functions.contains(name), "{}: there is no test {name}", document.path.display());
        }
    }
    assert!(tests > 100, "there are more than {tests} names of tests");
}

#[test]
fn the_recorded_public_api_names_no_crate_that_may_be_exchanged() {
    let mut paths = 0;
    for file in files(&workspace().join("docs/api"), "txt") {
        let recorded = fs::read_to_string(&file).unwrap();
        for path in recorded.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
            let Some((krate, _)) = path.split_once("::") else { continue };
            let is_a_crate = krate.starts_with(|c: char| c.is_ascii_lowercase());
            paths += usize::from(is_a_crate);
            assert!(!is_a_crate || PUBLIC_CRATES.contains(&krate), "{}: {path}", file.display());
        }
    }
    assert!(paths > 1000, "there are more than {paths} paths");
}
