use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of this process on open files to its hard limit, and returns that; `None` is
/// without limit.
///
/// Each connection is an open file, and the soft limit that shells and services start with is often
/// only 1,024. The `tidings` server calls this when it starts; do so in `main` of a server of your own.
///
/// # Errors
///
/// When the operating system does not let the process raise it.
///
/// # Examples
///
/// ```
/// let open_files_max = tidings::server::raise_open_file_limit()?;
/// println!("this process may have {open_files_max:?} files open");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn raise_open_file_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(limit.maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_hard_limit_afterwards() {
        let raised = raise_open_file_limit().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, limit.maximum), (raised, raised));
    }
}
