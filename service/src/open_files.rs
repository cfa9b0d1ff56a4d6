//! As many connections as the system allows: each is an open file, and the limit that a process starts
//! with (often 1,024) is for programs that know no better.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files to what the system allows this process, and returns it; none when there
/// is no limit. What was refused changes nothing.
pub fn raise_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        if setrlimit(Resource::Nofile, limit).is_err() {
            // macOS says "unlimited" and does not mean it.
            return before;
        }
    }
    limit.current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_lower_than_before() {
        let before = getrlimit(Resource::Nofile).current;
        let after = raise_limit();
        assert!(after.is_none() || after >= before, "{before:?} {after:?}");
        assert_eq!(raise_limit(), after);
    }
}
