//! The Java of the book, compiled: the tutorial compares with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::prepare;
use crate::tidy::{Document, documents};

/// What it is compiled with, and Debian's packages that have it.
const JARS: &[(&str, &str)] = &[
    ("/usr/share/java/tomcat10-websocket-api.jar", "libtomcat10-java"),
    ("/usr/share/java/tomcat10-websocket-client-api.jar", "libtomcat10-java"),
    ("/usr/share/java/spring3-messaging.jar", "libspring-messaging-java"),
    ("/usr/share/java/spring3-context.jar", "libspring-context-java"),
    ("/usr/share/java/spring3-core.jar", "libspring-core-java"),
];

/// The compiler, about to compile all of it.
pub(crate) fn compiler(root: &Path, target: &Path) -> Result<Command, String> {
    install()?;
    let folder = target.join("book-java");
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(fail)?;
    }
    fs::create_dir_all(&folder).map_err(fail)?;
    let jars: Vec<_> = JARS.iter().map(|(jar, _)| *jar).collect();
    let mut javac = Command::new("javac");
    javac.args(["-encoding", "UTF-8", "-cp", &jars.join(":"), "-d"]).arg(folder.join("classes"));
    for source in documents(root)? {
        for block in Document::parse(&source.text).blocks {
            if block.info == "java" {
                let place = format!("{}:{}", source.path, block.line);
                let class = class_name(&block.code).ok_or(format!("{place}: no class"))?;
                let file = folder.join(format!("{class}.java"));
                if file.exists() {
                    return Err(format!("{place}: there is a class {class} already"));
                }
                fs::write(&file, format!("// {place}\n{}", block.code)).map_err(fail)?;
                javac.arg(file);
            }
        }
    }
    Ok(javac)
}

/// A file is called by the class that is in it.
fn class_name(code: &str) -> Option<&str> {
    let line = code
        .lines()
        .find_map(|line| line.strip_prefix("public ").unwrap_or(line).strip_prefix("class "))?;
    line.split_whitespace().next()
}

fn install() -> Result<(), String> {
    let mut wanted = vec![("javac", "default-jdk-headless")];
    wanted.extend(JARS);
    let missing = wanted.into_iter().filter(|(file, _)| !prepare::is_installed(file));
    let mut missing: Vec<_> = missing.map(|(_, package)| package).collect();
    missing.dedup();
    prepare::debian_packages(&missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_its_class() {
        let code = "import a.B;\n\n@C\npublic class Room {\n    class Inner {}\n}\n";
        assert_eq!(class_name(code), Some("Room"));
        assert_eq!(class_name("class Login {\n"), Some("Login"));
        assert_eq!(class_name("import a.B;\n"), None);
    }
}
