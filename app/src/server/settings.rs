//! What the shop has to be told; each default is right on a developer's machine.

use collector::SpoolArgs;
use service::settings::{DatabaseSettings, KafkaSettings, OpsSettings};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The shop: its pages, and the collector behind them.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "app", version)]
pub struct Settings {
    /// Where the shop listens and where its files are.
    #[command(flatten)]
    pub site: SiteSettings,
    /// Where clicks go.
    #[command(flatten)]
    pub kafka: KafkaSettings,
    /// Where they are kept while they cannot go there.
    #[command(flatten)]
    pub spool: SpoolArgs,
    /// Where rows are read.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Where operators look.
    #[command(flatten)]
    pub ops: OpsSettings<9464>,
}

/// Where the shop listens, and where `cargo leptos` has put its files. The names are Leptos' own.
#[derive(Debug, Clone, clap::Args)]
pub struct SiteSettings {
    /// Address of the shop.
    #[arg(long, env = "LEPTOS_SITE_ADDR", value_name = "ADDR:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8501)))]
    pub leptos_site_addr: SocketAddr,
    /// Folder of the stylesheet and the browser's bundle (in `pkg/`); the shop works without them.
    #[arg(
        long,
        env = "LEPTOS_SITE_ROOT",
        value_name = "FOLDER",
        default_value = "target/site"
    )]
    pub leptos_site_root: PathBuf,
    /// The list of the bundle's hashes, relative to the program's own folder; without the list the newest files of `pkg/` are served.
    #[arg(
        long,
        env = "LEPTOS_HASH_FILE_NAME",
        value_name = "FILE",
        default_value = "hash.txt"
    )]
    pub leptos_hash_file_name: PathBuf,
    /// Port of `cargo leptos watch`, which sets it, for pages that reload when the code changes.
    #[arg(long, env = "LEPTOS_RELOAD_PORT", hide = true, default_value_t = 3001)]
    pub leptos_reload_port: u16,
}

impl SiteSettings {
    /// The hash file's place: beside the program, where `cargo leptos` puts it, unless it is absolute.
    pub fn hash_file(&self) -> PathBuf {
        let beside = std::env::current_exe()
            .ok()
            .and_then(|program| Some(program.parent()?.to_path_buf()))
            .unwrap_or_default();
        beside.join(&self.leptos_hash_file_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_readme_has_every_setting_of_the_shop() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = &std::fs::read_to_string(readme).unwrap();
        let missing = service::settings::missing_from(readme, Settings::command());
        assert!(
            missing.is_empty(),
            "between the README's settings marks is missing:\n{}",
            missing.join("\n")
        );
    }
}
