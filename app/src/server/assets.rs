//! Which stylesheet and bundle a page may name: those that are there now.
//!
//! The shop serves before its bundle is built and takes it up when it appears, without a restart. One
//! task looks once a second what is there; a request only takes what was seen last.

use crate::components::shell::{Assets, Bundle};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::time::MissedTickBehavior;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The site's files as `cargo leptos` lays them out.
#[derive(Debug)]
pub struct Site {
    root: PathBuf,
    hash_file: PathBuf,
    seen: RwLock<Arc<Assets>>,
}

impl Site {
    /// A site below `root`, whose hashes are listed in `hash_file`. Neither has to exist. Reads both
    /// once; blocks for as long.
    pub fn new(root: PathBuf, hash_file: PathBuf) -> Self {
        let site = Self {
            root,
            hash_file,
            seen: RwLock::default(),
        };
        site.look_again();
        site
    }

    /// The site's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is there now, or was a second ago while somebody [watches](Self::watch).
    pub fn assets(&self) -> Arc<Assets> {
        Arc::clone(&self.seen.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks once a second, away from the threads that answer requests, until it is dropped.
    pub async fn watch(self: Arc<Self>) {
        let mut turn = tokio::time::interval(LOOK_EVERY);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turn.tick().await;
            let site = Arc::clone(&self);
            // An error means that the process ends.
            if tokio::task::spawn_blocking(move || site.look_again())
                .await
                .is_err()
            {
                return;
            }
        }
    }

    fn look_again(&self) {
        let assets = self.look();
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if **seen != assets {
            *seen = Arc::new(assets);
        }
    }

    fn look(&self) -> Assets {
        let mut files: Vec<(SystemTime, String)> = std::fs::read_dir(self.root.join("pkg"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let changed = entry.metadata().ok()?.modified().ok()?;
                Some((changed, entry.file_name().into_string().ok()?))
            })
            .collect();
        files.sort_by(|a, b| b.cmp(a));
        let newest_first: Vec<_> = files.into_iter().map(|(_, name)| name).collect();
        let hashes = std::fs::read_to_string(&self.hash_file).unwrap_or_default();
        choose(&newest_first, &hashes)
    }
}

/// Picks the files that belong together: those whose hashes are listed, else the newest of each kind.
///
/// A listed file that is not there does not count: a list may be older or newer than the folder.
fn choose(newest_first: &[String], hashes: &str) -> Assets {
    let listed = |kind: &str| {
        hashes.lines().find_map(|line| {
            let (name, hash) = line.split_once(':')?;
            let file = format!("app.{}.{kind}", hash.trim());
            (name.trim() == kind && newest_first.contains(&file)).then_some(file)
        })
    };
    let newest = |kind: &str| {
        newest_first
            .iter()
            .find(|name| is_ours(name, kind))
            .cloned()
    };
    let address = |name: String| format!("/pkg/{name}");
    let bundle = match (listed("js"), listed("wasm")) {
        (Some(js), Some(wasm)) => Some((js, wasm)),
        _ => newest("js").zip(newest("wasm")),
    };
    Assets {
        stylesheet: listed("css").or_else(|| newest("css")).map(address),
        bundle: bundle.map(|(js, wasm)| Bundle {
            js: address(js),
            wasm: address(wasm),
        }),
    }
}

/// `app.css`, `app.HASH.css` or `app_bg.wasm`; nothing else that may lie in the folder.
fn is_ours(name: &str, kind: &str) -> bool {
    let stem = name
        .strip_prefix("app")
        .and_then(|rest| rest.strip_suffix(kind)?.strip_suffix('.'));
    stem.is_some_and(|stem| {
        let hash = stem.strip_prefix('.');
        stem.is_empty() || stem == "_bg" || hash.is_some_and(|hash| !hash.contains('.'))
    })
}

/// Whether a file's name changes with its content, so that it may be kept for ever.
pub fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split('.').count() == 3 && name.split('.').nth(1).is_some_and(|hash| hash.len() >= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_site_without_files_is_no_error() {
        assert_eq!(choose(&[], ""), Assets::default());
        assert_eq!(choose(&[], "js: abc\nwasm: def"), Assets::default());
    }

    #[test]
    fn listed_files_come_before_newer_ones() {
        let files = names(&["app.new.js", "app.old.js", "app.w.wasm", "app.s.css"]);
        let assets = choose(&files, "js: old\nwasm: w\ncss: s\n");
        assert_eq!(assets.bundle.unwrap().js, "/pkg/app.old.js");
        assert_eq!(assets.stylesheet.unwrap(), "/pkg/app.s.css");
    }

    #[test]
    fn without_a_list_the_newest_pair_is_taken_and_half_a_bundle_is_none() {
        let files = names(&["app.js.br", "app.2.js", "app.1.js", "app_bg.wasm"]);
        let bundle = choose(&files, "").bundle.unwrap();
        assert_eq!(bundle.js, "/pkg/app.2.js");
        assert_eq!(bundle.wasm, "/pkg/app_bg.wasm");
        assert!(choose(&names(&["app.js"]), "").bundle.is_none());
    }

    #[tokio::test]
    async fn what_is_built_later_is_seen_without_being_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let site = Arc::new(Site::new(folder.path().to_owned(), PathBuf::new()));
        assert_eq!(*site.assets(), Assets::default());
        std::fs::create_dir(folder.path().join("pkg")).unwrap();
        std::fs::write(folder.path().join("pkg/app.css"), "x").unwrap();
        let seen = async {
            while site.assets().stylesheet.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = Arc::clone(&site).watch() => panic!("nobody watches"),
            seen = tokio::time::timeout(Duration::from_secs(10), seen) => seen.unwrap(),
        }
    }

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("/pkg/app.7oRMYtJeKAv1LkmGCnBY1w.js"));
        assert!(!is_hashed("/pkg/app.css"));
        assert!(!is_hashed("/favicon.svg"));
    }
}
