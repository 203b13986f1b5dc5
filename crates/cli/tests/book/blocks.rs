use std::fs;
use std::path::{Path, PathBuf};

/// A block of code in a document.
pub struct Block {
    /// The document, and the line.
    pub place: String,
    pub code: String,
    /// What a block of `text` right behind it says that is shown.
    pub shown: Vec<String>,
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// All blocks of a language, in the README and in the book.
pub fn blocks(language: &str) -> Vec<Block> {
    let mut documents = vec![root().join("README.md")];
    add_documents(&root().join("docs"), &mut documents);
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let mut lines = (1..).zip(text.lines());
        while let Some((number, line)) = lines.next() {
            if line == fence {
                let place = format!("{}:{number}", document.display());
                let code = to_fence(lines.by_ref().map(|(_, line)| line)).join("\n");
                let mut behind =
                    lines.clone().map(|(_, line)| line).skip_while(|line| line.is_empty());
                let is_shown = behind.next() == Some("```text");
                let shown = if is_shown { to_fence(behind) } else { Vec::new() };
                let shown = shown.into_iter().map(str::to_owned).collect();
                blocks.push(Block { place, code, shown });
            }
        }
    }
    assert!(!blocks.is_empty(), "the book has no block of {language}");
    blocks
}

fn to_fence<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines.take_while(|line| *line != "```").collect()
}

fn add_documents(folder: &Path, documents: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_documents(&path, documents);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
}

impl Block {
    pub fn document(&self) -> &str {
        self.place.rsplit_once(':').unwrap().0
    }

    /// The lines of a block of `sh`, those that go on with a backslash joined. Comments stay, since some say what a
    /// reader is to do.
    pub fn command_lines(&self) -> Vec<String> {
        let joined = self.code.replace("\\\n", " ");
        joined.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }
}

/// The words of a command, as a shell takes them apart; without its comment.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quotation does not end: {line}");
    words.extend(word);
    words
}

#[test]
fn words_are_those_of_a_shell() {
    let check = |line, expected: &[&str]| assert_eq!(words(line), expected);
    check(
        "tidings pub /queue/jobs 'water the plants'   # on disk",
        &["tidings", "pub", "/queue/jobs", "water the plants"],
    );
    check("a#b \"\" 'it is \"x\"'", &["a#b", "", "it is \"x\""]);
    check("# nothing", &[]);
}
