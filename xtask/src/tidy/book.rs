//! The book, and the other documents.

use super::Source;
use super::markdown::Document;

const SUMMARY: &str = "docs/SUMMARY.md";

/// What stands beside the chapters and is none.
const NO_CHAPTERS: &[&str] = &[SUMMARY, "docs/PLAN.md"];

/// Where the chapters are named whose code is compiled.
const DOCTESTS: &str = "crates/tidings/src/book.rs";

/// What blocks of code may be written in: somebody runs each of these, or they show what is seen (`text`). The
/// introduction of the book says who.
const LANGUAGES: &[&str] = &["rust", "sh", "toml", "js", "java", "nginx", "text"];

/// A document, and the same in Chinese.
const TRANSLATED: (&str, &str) = ("README.md", "README.zh-CN.md");

pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut complaints = check_summary(sources);
    complaints.extend(check_translation(sources));
    for source in sources.iter().filter(|source| is_document(&source.path)) {
        let document = Document::parse(&source.text);
        complaints.extend(check_links(source, &document, sources));
        if is_chapter(&source.path) || source.path == "README.md" {
            complaints.extend(check_code(source, &document, sources));
        }
    }
    complaints
}

fn is_document(path: &str) -> bool {
    path.ends_with(".md") && !path.contains("/vendor/")
}

fn is_chapter(path: &str) -> bool {
    path.starts_with("docs/") && is_document(path) && !NO_CHAPTERS.contains(&path)
}

/// Each chapter is in the summary, once, and nothing else is.
fn check_summary(sources: &[Source]) -> Vec<String> {
    let Some(summary) = sources.iter().find(|source| source.path == SUMMARY) else {
        return vec![format!("{SUMMARY} is missing")];
    };
    let links = Document::parse(&summary.text).links;
    let named: Vec<_> = links.iter().map(|(_, link)| format!("docs/{link}")).collect();
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| is_chapter(&source.path)) {
        let times = named.iter().filter(|name| **name == source.path).count();
        if times != 1 {
            complaints.push(format!("{SUMMARY}: names {} {times} times, not once", source.path));
        }
    }
    for name in named.iter().filter(|name| !is_chapter(name)) {
        complaints.push(format!("{SUMMARY}: {name} is no chapter"));
    }
    complaints
}

/// Links lead to files and headings that exist. Those of a chapter stay in the book, which is read without the rest.
fn check_links(source: &Source, document: &Document<'_>, sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (line, link) in document.links.iter().filter(|(_, link)| !link.contains("://")) {
        let mut complain = |what| complaints.push(format!("{}:{line}: {link} {what}", source.path));
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = if file.is_empty() { source.path.clone() } else { beside(&source.path, file) };
        let is_there = |it: &&Source| it.path == path || it.path.starts_with(&format!("{path}/"));
        match sources.iter().find(is_there) {
            None => complain("does not exist"),
            Some(target) if !heading.is_empty() => {
                if !Document::parse(&target.text).anchors.iter().any(|anchor| anchor == heading) {
                    complain("is no heading there");
                }
            }
            Some(_) => {}
        }
        if is_chapter(&source.path) && !is_chapter(&path) {
            complain("leads out of the book");
        }
    }
    complaints
}

/// A path that is relative to a file.
fn beside(file: &str, relative: &str) -> String {
    let mut folders: Vec<&str> = file.split('/').collect();
    folders.pop();
    for segment in relative.trim_end_matches('/').split('/') {
        match segment {
            "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    folders.join("/")
}

/// Nothing is left out of the tests.
fn check_code(source: &Source, document: &Document<'_>, sources: &[Source]) -> Vec<String> {
    let path = &source.path;
    let mut complaints = Vec::new();
    for block in &document.blocks {
        let mut words = block.info.split(',');
        let language = words.next().unwrap_or_default();
        if !LANGUAGES.contains(&language) || words.any(|word| word.trim() == "ignore") {
            let info = block.info;
            complaints.push(format!("{path}:{}: nobody runs code that is `{info}`", block.line));
        }
    }
    let compiled = sources.iter().find(|source| source.path == DOCTESTS);
    if !compiled.is_some_and(|compiled| compiled.text.contains(&format!("/{path}\""))) {
        complaints.push(format!("{path}: {DOCTESTS} does not name it"));
    }
    complaints
}

/// A translation has the code of the original, and as many headings and links: what is changed in one is to be changed in
/// the other.
fn check_translation(sources: &[Source]) -> Vec<String> {
    let (original, translation) = TRANSLATED;
    let parse = |path| {
        let source = sources.iter().find(|source| source.path == path)?;
        Some(Document::parse(&source.text))
    };
    let Some(english) = parse(original) else { return Vec::new() };
    let Some(chinese) = parse(translation) else {
        return vec![format!("{translation} is missing")];
    };
    let mut complaints = Vec::new();
    let mut complain = |what| complaints.push(format!("{translation}: {what} of {original}"));
    let code = |document: &Document<'_>| {
        let blocks = document.blocks.iter();
        blocks.map(|block| format!("{}\n{}", block.info, block.code)).collect::<Vec<_>>()
    };
    if code(&english) != code(&chinese) {
        complain("has not the code");
    }
    if english.anchors.len() != chinese.anchors.len() {
        complain("has not the headings");
    }
    let other = |document: &Document<'_>, other| {
        let mut links: Vec<_> = document.links.iter().map(|(_, link)| link.clone()).collect();
        links.sort();
        let before = links.len();
        links.retain(|link| link != other);
        (before - links.len(), links)
    };
    if other(&english, translation) != other(&chinese, original) {
        complain("has not the links");
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about some files beside a summary that names `a.md`, which is compiled.
    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let fixed = [
            (SUMMARY, "# Book\n\n- [A](a.md)\n"),
            (DOCTESTS, "\"../../../docs/a.md\""),
            ("examples/echo.rs", ""),
        ];
        let files = fixed.iter().chain(files);
        let sources: Vec<_> = files
            .map(|(path, text)| Source { path: (*path).into(), text: (*text).into() })
            .collect();
        check(&sources)
    }

    #[test]
    fn a_chapter_is_in_the_summary() {
        assert_eq!(complaints(&[("docs/a.md", "")]), [""; 0]);
        assert_eq!(complaints(&[]), ["docs/SUMMARY.md:3: a.md does not exist"]);
        let found = complaints(&[("docs/a.md", ""), ("docs/b.md", "")]);
        assert!(found[0].contains("names docs/b.md 0 times"), "{found:?}");
    }

    #[test]
    fn links_lead_somewhere() {
        let check = |link: &str| {
            let text = format!("# One two\n\n[x]({link})\n");
            complaints(&[("docs/a.md", &text), ("SECURITY.md", "# Promises\n")])
        };
        assert_eq!(check("a.md#one-two"), [""; 0]);
        assert_eq!(check("#one-two"), [""; 0]);
        assert_eq!(check("https://example.org/b.md"), [""; 0]);
        assert_eq!(check("#three"), ["docs/a.md:3: #three is no heading there"]);
        assert!(check("b.md")[0].ends_with("b.md does not exist"));
        assert_eq!(check("../SECURITY.md"), ["docs/a.md:3: ../SECURITY.md leads out of the book"]);
        let outside = complaints(&[("docs/a.md", ""), ("NEWS.md", "[x](examples) [y](docs/a.md)")]);
        assert_eq!(outside, [""; 0]);
    }

    #[test]
    fn a_translation_keeps_up() {
        let english = "# A\n\n[other](README.zh-CN.md) [b](examples)\n\n```sh\ntidings\n```\n";
        let check = |chinese: &str| {
            let readme = ("README.md", english);
            let fixed = ("docs/a.md", "");
            let found = complaints(&[fixed, readme, ("README.zh-CN.md", chinese)]);
            found.into_iter().filter(|it| it.starts_with("README.zh-CN.md")).collect::<Vec<_>>()
        };
        let chinese = english.replace("# A", "# 甲").replace("README.zh-CN.md", "README.md");
        assert_eq!(check(&chinese), [""; 0]);
        assert!(check(&chinese.replace("tidings", "tidings serve"))[0].contains("the code"));
        assert!(check(&format!("{chinese}\n## 乙\n"))[0].contains("the headings"));
        assert!(check(&chinese.replace("[b](examples)", ""))[0].contains("the links"));
    }

    #[test]
    fn no_code_is_left_out_of_the_tests() {
        for info in ["rust", "rust,no_run", "sh", "text"] {
            assert_eq!(complaints(&[("docs/a.md", &format!("```{info}\n```\n"))]), [""; 0]);
        }
        for info in ["rust,ignore", "console", ""] {
            assert_eq!(complaints(&[("docs/a.md", &format!("```{info}\n```\n"))]).len(), 1);
        }
    }
}
