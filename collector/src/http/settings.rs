//! What an operator says about who may send events, from where, and how many. Every default fits a
//! developer's machine: nobody is turned away.

use super::cors::Origins;
use super::keys::WriteKeys;
use crate::connections::DEFAULT_MAX;
use crate::intake::{self, DEFAULT_BYTES};
use service::settings::Networks;

/// All that concerns events which come in over HTTP.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct HttpSettings {
    /// Who may send to `/v1`.
    #[command(flatten)]
    pub keys: KeySettings,
    /// Which sites' pages may.
    #[command(flatten)]
    pub cors: CorsSettings,
    /// Whose word on a client's address, and on how it came, counts.
    #[command(flatten)]
    pub proxies: ProxySettings,
    /// How many requests are too many.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// How much is taken in at a time.
    #[command(flatten)]
    pub intake: IntakeSettings,
    /// What is not kept of a visitor.
    #[command(flatten)]
    pub privacy: PrivacySettings,
}

impl HttpSettings {
    /// Whether `/v1` takes what comes with this key, or with none.
    pub fn admits(&self, write_key: Option<&str>) -> bool {
        self.keys.write_keys.admit(write_key, None).is_ok()
    }
}

/// Who may send to `/v1`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct KeySettings {
    /// The keys that `/v1` asks for, such as `shop=3f9c…,app=77ab…`; a name with two keys is one whose key is being changed. Without any, every key is right.
    #[arg(
        long,
        env = "WRITE_KEYS",
        value_name = "NAME=KEY,…",
        default_value = "",
        hide_env_values = true
    )]
    pub write_keys: WriteKeys,
}

/// Which sites' pages may send events.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CorsSettings {
    /// Sites whose pages may send events and read the answer, such as `https://shop.example`, also with credentials; `*` is any site, without them. Empty for none.
    #[arg(
        long,
        env = "CORS_ORIGINS",
        value_name = "ORIGIN,…",
        default_value = "*"
    )]
    pub cors_origins: Origins,
}

/// Whose word on a client counts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProxySettings {
    /// Networks of our own proxies: what they write into `X-Forwarded-For` and `X-Forwarded-Proto` is believed, from anybody else it is not.
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        value_name = "CIDR,…",
        default_value = ""
    )]
    pub trusted_proxies: Networks,
}

/// How many requests are too many.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LimitSettings {
    /// The most requests and gRPC calls with events, and forms of the shop, a second from one address (an IPv6 network of 64 bits counts as one); 0 for any number.
    #[arg(
        long,
        env = "RATE_LIMIT_ADDRESS",
        value_name = "NUMBER",
        default_value_t = 0
    )]
    pub rate_limit_address: u32,
    /// The most requests to `/v1` a second with one write key's name; 0 for any number.
    #[arg(
        long,
        env = "RATE_LIMIT_KEY",
        value_name = "NUMBER",
        default_value_t = 0
    )]
    pub rate_limit_key: u32,
}

/// How much is taken in at a time, over HTTP and gRPC.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct IntakeSettings {
    /// The most memory for requests with events that are being read and kept, at least 6 MiB: a body counts for four times its bytes. What finds no room within 5 s is told to come again.
    #[arg(long, env = "INTAKE_MAX_BYTES", value_name = "BYTES", default_value_t = DEFAULT_BYTES, value_parser = intake::bytes)]
    pub intake_max_bytes: u32,
    /// The most open connections over HTTP, and as many over gRPC; others wait until one has ended.
    #[arg(long, env = "CONNECTIONS_MAX", value_name = "NUMBER", default_value_t = DEFAULT_MAX, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: u32,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            intake_max_bytes: DEFAULT_BYTES,
            connections_max: DEFAULT_MAX,
        }
    }
}

/// What is not kept of a visitor.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct PrivacySettings {
    /// Keep only the network of a visitor's address: 24 bits of IPv4, 48 of IPv6.
    #[arg(long, env = "TRUNCATE_IP", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub truncate_ip: bool,
    /// Keep nothing that tells who it was of events sent with `DNT: 1` or `Sec-GPC: 1`, but the name for which something is put into the shop's cart; they still count. `tracker.js` then keeps nothing in such a browser.
    #[arg(long, env = "RESPECT_DNT", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub respect_dnt: bool,
}
