//! What the shop has to be told; each default is right on a developer's machine.

use collector::SpoolArgs;
use collector::grpc::GrpcSettings;
use collector::http::HttpSettings;
use secrecy::SecretString;
use service::settings::{DatabaseSettings, KafkaSettings, Networks, OpsSettings};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The least characters of a token: it is all that stands between anybody and the staff's pages.
const TOKEN_MIN_CHARS: usize = 16;

/// The shop: its pages, and the collector behind them.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "app", version)]
pub struct Settings {
    /// Where the shop listens and where its files are.
    #[command(flatten)]
    pub site: SiteSettings,
    /// Where other programs hand events in over gRPC.
    #[command(flatten)]
    pub grpc: GrpcSettings,
    /// Where clicks go.
    #[command(flatten)]
    pub kafka: KafkaSettings,
    /// Where they are kept while they cannot go there.
    #[command(flatten)]
    pub spool: SpoolArgs,
    /// Who may send events from elsewhere, and how many.
    #[command(flatten)]
    pub http: HttpSettings,
    /// How the shop's own pages are followed.
    #[command(flatten)]
    pub tracker: TrackerSettings,
    /// Where rows are read.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Who sees more than a visitor.
    #[command(flatten)]
    pub staff: StaffSettings,
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

/// How the shop's own pages are followed.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TrackerSettings {
    /// One of the keys in `WRITE_KEYS`, for the tracker of the shop's own pages; where keys are asked for, pages have no tracker without it.
    #[arg(long, env = "SHOP_WRITE_KEY", value_name = "KEY")]
    pub shop_write_key: Option<String>,
}

/// Who sees the staff's pages.
#[derive(Debug, Clone, clap::Args)]
pub struct StaffSettings {
    /// Opens `/pipeline` and `/balance` from anywhere: sent as `Authorization: Bearer …`, or given once at `/staff`; at least 16 characters.
    #[arg(long, env = "STAFF_TOKEN", value_name = "TEXT", value_parser = token, hide_env_values = true)]
    pub staff_token: Option<SecretString>,
    /// Networks whose requests need no token, if they name a loopback host and went through no proxy; empty for none.
    #[arg(
        long,
        env = "STAFF_PEERS",
        value_name = "CIDR,…",
        default_value = "127.0.0.0/8,::1/128"
    )]
    pub staff_peers: Networks,
}

/// Reads a token; an empty one is none.
fn token(text: &str) -> Result<SecretString, String> {
    if (1..TOKEN_MIN_CHARS).contains(&text.chars().count()) {
        return Err(format!("a token has at least {TOKEN_MIN_CHARS} characters"));
    }
    Ok(SecretString::from(text))
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
    use clap::{CommandFactory as _, Parser as _};
    use rstest::rstest;

    #[rstest]
    #[case("--staff-peers=here", "is no network")]
    #[case("--staff-peers=10.0.0.0/33", "is no network")]
    #[case("--staff-token=fifteen letters", "at least 16 characters")]
    fn what_guards_nothing_is_refused(#[case] flag: &str, #[case] why: &str) {
        let error = Settings::try_parse_from(["app", flag])
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn the_readme_has_every_setting_of_the_shop() {
        service::settings::check_readme(Settings::command()).unwrap();
    }
}
