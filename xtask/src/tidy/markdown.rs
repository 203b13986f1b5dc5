//! As much of Markdown as the checks of documents want to know.

/// A fenced block of code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CodeBlock<'a> {
    /// The number of its first line, which is the fence.
    pub(crate) line: usize,
    /// What stands behind the opening fence: the language, and what is to be done with the code.
    pub(crate) info: &'a str,
    pub(crate) code: String,
}

/// A document, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Document<'a> {
    pub(crate) blocks: Vec<CodeBlock<'a>>,
    /// The targets of all links, with the numbers of their lines.
    pub(crate) links: Vec<(usize, String)>,
    /// What a link to a heading has behind its `#`.
    pub(crate) anchors: Vec<String>,
}

impl<'a> Document<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut document = Self::default();
        let mut open: Option<(&str, CodeBlock<'_>)> = None;
        for (line, content) in (1..).zip(text.lines()) {
            if let Some((fence, mut block)) = open.take() {
                if content.trim_end() == fence {
                    document.blocks.push(block);
                } else {
                    block.code.push_str(content);
                    block.code.push('\n');
                    open = Some((fence, block));
                }
            } else if let Some(info) = content.trim_start().strip_prefix("```") {
                let fence = &content[..content.len() - info.len()];
                open = Some((fence, CodeBlock { line, info: info.trim(), code: String::new() }));
            } else {
                let heading = content.trim_start_matches('#');
                if heading.len() < content.len() && heading.starts_with(' ') {
                    document.anchors.push(anchor(heading));
                }
                document.links.extend(links(content).map(|link| (line, link)));
            }
        }
        document
    }
}

/// What a heading is called in links: by GitHub, and by mdBook.
fn anchor(heading: &str) -> String {
    let text = heading.trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The targets of the links in a line, without what is code in it.
fn links(line: &str) -> impl Iterator<Item = String> {
    let prose: String = line.split('`').step_by(2).collect();
    let targets: Vec<_> =
        prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).collect();
    targets.into_iter().map(|(target, _)| target.to_owned()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_whole() {
        let text = "a\n\n```rust,no_run\nfn f() {}\n\n# g();\n```\n\n```\n```\n";
        let blocks = Document::parse(text).blocks;
        let code = "fn f() {}\n\n# g();\n".to_owned();
        let rust = CodeBlock { line: 3, info: "rust,no_run", code };
        assert_eq!(blocks, [rust, CodeBlock { line: 9, info: "", code: String::new() }]);
    }

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a](a.md), [`b`](b.md#c): `[c](d.md)`\n\n```rust\n#[e](f.md)\n```\n";
        let links = Document::parse(text).links;
        assert_eq!(links, [(1, "a.md".to_owned()), (1, "b.md#c".to_owned())]);
    }

    #[test]
    fn headings_are_called_as_links_call_them() {
        let text = "# Who a client is\n\n## `tidings lab`, and JSON's\n\n#[no] heading\n";
        let anchors = Document::parse(text).anchors;
        assert_eq!(anchors, ["who-a-client-is", "tidings-lab-and-jsons"]);
    }
}
