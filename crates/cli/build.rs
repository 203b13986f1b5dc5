//! Lists the files of the bundled site, and the client for browsers, for `src/site/embedded.rs`, so that a new page needs no line of
//! code.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The client for browsers, and its path in the site.
const CLIENT: (&str, &str) = ("../../clients/typescript/dist/sockjs.js", "tidings/sockjs.js");

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=site");
    println!("cargo:rerun-if-changed={}", CLIENT.0);
    let root = Path::new("site").canonicalize()?;
    let mut files = Vec::new();
    walk(&root, &mut files)?;

    let mut table = Vec::new();
    writeln!(table, "&[")?;
    let mut entries = Vec::with_capacity(files.len());
    for file in files {
        let relative = file.strip_prefix(&root).map_err(io::Error::other)?;
        entries.push((relative.to_string_lossy().into_owned(), file));
    }
    entries.push((CLIENT.1.to_owned(), Path::new(CLIENT.0).canonicalize()?));
    // The table is searched by path.
    entries.sort_unstable();
    for (path, file) in entries {
        let digest = digest(&fs::read(&file)?);
        writeln!(table, "    Entry {{")?;
        writeln!(table, "        path: {path:?},")?;
        writeln!(table, "        digest: {digest:#018x},")?;
        writeln!(table, "        octets: include_bytes!({file:?}),")?;
        writeln!(table, "    }},")?;
    }
    writeln!(table, "]")?;

    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(PathBuf::from(out).join("site.rs"), table)
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Tells one version of a file from another; no defence against forgery.
fn digest(octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(octets);
    hasher.finish()
}
