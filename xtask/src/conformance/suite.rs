//! The Autobahn test suite, and the Python 2.7 that it needs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::run;

/// The last release that runs everywhere Python 2.7 does.
const PACKAGE: &str = "autobahntestsuite==0.8.2";

/// The Python that is installed where pyenv has none of the kind.
const PYTHON: &str = "2.7.18";

/// An installed suite.
pub(crate) struct Suite {
    python: PathBuf,
    folder: PathBuf,
}

/// Why the suite cannot be had.
#[derive(Debug)]
pub(crate) enum NoSuite {
    /// Neither `python2.7` nor pyenv is here.
    NoPython,
    /// A tool failed, and this is what it wrote.
    Failed(String),
}

impl Suite {
    /// Installs the suite beneath `target`, unless that was done before.
    ///
    /// # Errors
    ///
    /// When there is no Python 2.7 and none can be installed, or the package cannot be installed.
    pub(crate) fn install(target: &Path) -> Result<Self, NoSuite> {
        let python = find_python()?;
        let folder = target.join("autobahn");
        let suite = Self { python, folder };
        let stamp = suite.folder.join("installed");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == PACKAGE) {
            return Ok(suite);
        }
        eprintln!("    installing {PACKAGE} (pip)");
        let pip = ["-m", "pip", "install", "--quiet", "--upgrade", "--target"];
        let mut install = Command::new(&suite.python);
        sh(install.args(pip).arg(&suite.folder).arg(PACKAGE))?;
        // Namespace packages need no such file any more, but this old one does.
        let written = std::fs::write(suite.folder.join("zope/__init__.py"), "")
            .and_then(|()| std::fs::write(&stamp, PACKAGE));
        written.map_err(|error| NoSuite::Failed(format!("{}: {error}", stamp.display())))?;
        Ok(suite)
    }

    /// The suite's program in one of its modes, with a specification file.
    pub(crate) fn command(&self, mode: &str, specification: &Path) -> Command {
        let mut command = Command::new(&self.python);
        // Unbuffered, or progress would come in lumps.
        command.args(["-u", "-W", "ignore"]).arg(self.folder.join("bin/wstest"));
        command.args(["-m", mode, "-s"]).arg(specification).env("PYTHONPATH", &self.folder);
        // Otherwise its web pages would take a fixed port.
        command.args(["--webport", "0"]);
        command
    }
}

impl fmt::Display for NoSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPython => f.write_str(
                "it needs Python 2.7, and neither python2.7 nor pyenv to install it is here",
            ),
            Self::Failed(output) => f.write_str(output.trim_end()),
        }
    }
}

fn find_python() -> Result<PathBuf, NoSuite> {
    // What pyenv puts on the path may be a shim without a Python behind it, so each is tried.
    let candidates = pyenv_python().into_iter().chain([PathBuf::from("python2.7")]);
    if let Some(python) = candidates.into_iter().find(|python| is_python(python)) {
        return Ok(python);
    }
    if pyenv_root().is_none() {
        return Err(NoSuite::NoPython);
    }
    eprintln!("    installing Python {PYTHON} (pyenv)");
    sh(Command::new("pyenv").args(["install", "--skip-existing", PYTHON]))?;
    pyenv_python().filter(|python| is_python(python)).ok_or(NoSuite::NoPython)
}

fn is_python(python: &Path) -> bool {
    run(Command::new(python).args(["-c", "import sys; assert sys.version_info[:2] == (2, 7)"]))
        .succeeded
}

fn pyenv_root() -> Option<PathBuf> {
    let outcome = run(Command::new("pyenv").arg("root"));
    outcome.succeeded.then(|| PathBuf::from(outcome.output.trim()))
}

/// The newest Python 2.7 that pyenv has.
fn pyenv_python() -> Option<PathBuf> {
    let versions = std::fs::read_dir(pyenv_root()?.join("versions")).ok()?;
    let folders = versions.filter_map(|folder| Some(folder.ok()?.path()));
    let is_2_7 = |folder: &PathBuf| {
        folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("2.7"))
    };
    folders.filter(is_2_7).max().map(|folder| folder.join("bin/python2.7"))
}

fn sh(command: &mut Command) -> Result<(), NoSuite> {
    let outcome = run(command);
    if outcome.succeeded { Ok(()) } else { Err(NoSuite::Failed(outcome.output)) }
}
