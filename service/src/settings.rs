//! Each concern's settings in one small struct, read from flags, the environment and `.env`, with the
//! documented default in code so that no setting is needed on a developer's machine.
//!
//! A binary flattens the structs it needs into its own `clap::Parser` and starts with [`parse`], most
//! of them by way of [`crate::process::run`]. The table of settings in the README is [`table`]'s, so it
//! cannot differ from the code.

use anyhow::Context as _;
use clap::error::{ContextKind, ContextValue};
use ipnet::IpNet;
use secrecy::SecretString;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// Where Kafka is, and which topic is ours.
#[derive(Debug, Clone, clap::Args)]
pub struct KafkaSettings {
    /// Brokers to ask first, comma-separated `host:port`.
    #[arg(
        long,
        env = "KAFKA_BROKERS",
        value_name = "HOST:PORT,…",
        value_parser = brokers,
        default_value = "127.0.0.1:19092,127.0.0.1:29092,127.0.0.1:39092"
    )]
    pub kafka_brokers: String,
    /// The topic that carries the events.
    #[arg(long, env = "KAFKA_TOPIC", value_name = "NAME", value_parser = topic, default_value = "clickstream")]
    pub kafka_topic: String,
}

/// Where Postgres is.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseSettings {
    /// Postgres' address with user, password, database and `sslmode`.
    #[arg(
        long,
        env = "DATABASE_URL",
        value_name = "URL",
        value_parser = database_url,
        default_value = "postgres://default:default123@127.0.0.1:5432/clickstream",
        hide_env_values = true
    )]
    pub database_url: SecretString,
}

/// Where operators look. Each binary has its own default port, so that all run side by side:
/// `OpsSettings<9465>`.
#[derive(Debug, Clone, clap::Args)]
pub struct OpsSettings<const PORT: u16 = 9464> {
    /// Address of `/metrics` (Prometheus), `/livez` and `/readyz`.
    #[arg(long, env = "OPS_ADDR", value_name = "ADDR:PORT", default_value = loopback(PORT))]
    pub ops_addr: SocketAddr,
}

/// The default of [`OpsSettings`]; as text, because `default_value_t` would keep the first `PORT` for all.
fn loopback(port: u16) -> String {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
}

/// A list of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether one of them has this address; an IPv4 address in IPv6's clothes is the IPv4 address.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = String;

    /// Reads networks between commas; a single address is a network of one.
    fn from_str(text: &str) -> Result<Self, String> {
        let networks = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        let network = |text: &str| {
            let address = || Some(IpNet::from(text.parse::<IpAddr>().ok()?));
            text.parse().ok().or_else(address).ok_or_else(|| {
                format!("{text:?} is no network; expected a list such as 127.0.0.0/8,10.1.2.3/32")
            })
        };
        networks.map(network).collect::<Result<_, _>>().map(Self)
    }
}

/// Settings that are read where they act and not through clap: name, default, meaning.
const ENVIRONMENT_ONLY: [(&str, &str, &str); 3] = [
    (
        "KAFKA_PROPERTY_…",
        "",
        "Any setting of librdkafka for every client: `KAFKA_PROPERTY_SECURITY_PROTOCOL=ssl` sets `security.protocol`",
    ),
    (
        "RUST_LOG",
        "info",
        "Which log lines are written (`debug`, `warn,consumer=debug`, …)",
    ),
    ("LOG_FORMAT", "text", "`text` or `json`, one object a line"),
];

/// Reads `.env` of the working directory or the nearest folder above it. What the environment already
/// says wins. No file is no error.
///
/// Call it first in `main`, before any thread is started: it changes the environment.
///
/// Returns an error when the file is there and cannot be read or understood.
pub fn load_dotenv() -> anyhow::Result<()> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        // The line itself is not shown: it may hold a password.
        Err(dotenvy::Error::LineParse(_, at)) => {
            anyhow::bail!(
                "cannot understand a line of .env (near its character {at}): expected NAME=value, with quotes around a value that has spaces"
            )
        }
        Err(error) => Err(anyhow::Error::from(error).context("cannot read .env")),
    }
}

/// Reads `.env`, then flags and environment; on a mistake says what is wrong, names the variable and
/// ends the process with code 2.
pub fn parse<P: clap::Parser>() -> P {
    if let Err(error) = load_dotenv() {
        eprintln!("error: {error:#}");
        std::process::exit(2);
    }
    P::try_parse().unwrap_or_else(|error| {
        let hint = variable_at_fault(&P::command(), &error);
        let _ = error.print();
        if let Some(variable) = hint {
            eprintln!(
                "The value comes from the flag, or from {variable} in the environment or .env."
            );
        }
        std::process::exit(error.exit_code())
    })
}

/// The environment variable of the argument that clap refused, when it has one.
fn variable_at_fault(command: &clap::Command, error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = shown.split([' ', '=']).next()?.trim_start_matches('-');
    arguments(command)
        .into_iter()
        .find(|arg| arg.get_long() == Some(flag))
        .and_then(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned())
}

/// A Markdown table of every setting that `command` and its verbs read from the environment: name,
/// flag, default, meaning. Values that are set now are never shown.
pub fn table(command: clap::Command) -> String {
    let mut text = String::from("| variable | flag | default | meaning |\n|---|---|---|---|\n");
    let mut seen = Vec::new();
    for arg in arguments(&command) {
        let Some(variable) = arg.get_env().map(|name| name.to_string_lossy()) else {
            continue;
        };
        if arg.is_hide_set() || seen.contains(&variable) {
            continue;
        }
        let default: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let flag = arg.get_long().map(|long| format!("--{long}"));
        let meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
        row(
            &mut text,
            &variable,
            flag.as_deref(),
            &default.join(","),
            &meaning,
        );
        seen.push(variable);
    }
    for (variable, default, meaning) in ENVIRONMENT_ONLY {
        row(&mut text, variable, None, default, meaning);
    }
    text
}

/// Whether the repository's README has the whole [`table`] between its settings marks; for a test of
/// each binary, whose failure then shows what to write there.
///
/// Returns an error with the rows that are missing, or when there is no README.
pub fn check_readme(command: clap::Command) -> anyhow::Result<()> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).context(readme)?;
    let missing = missing_from(&readme, command);
    anyhow::ensure!(
        missing.is_empty(),
        "between the README's settings marks is missing:\n{}",
        missing.join("\n")
    );
    Ok(())
}

/// The rows of [`table`] that a README does not have between `<!-- settings:begin -->` and
/// `<!-- settings:end -->`.
fn missing_from(readme: &str, command: clap::Command) -> Vec<String> {
    let section = readme
        .split_once("<!-- settings:begin -->")
        .and_then(|(_, rest)| rest.split_once("<!-- settings:end -->"))
        .map_or("", |(section, _)| section);
    let there: Vec<&str> = section.lines().collect();
    table(command)
        .lines()
        .filter(|row| !there.contains(row))
        .map(str::to_owned)
        .collect()
}

/// Appends one line of the table; an empty cell where there is nothing to say.
fn row(text: &mut String, variable: &str, flag: Option<&str>, default: &str, meaning: &str) {
    let code = |value: &str| match value {
        "" => String::new(),
        value => format!("`{value}`"),
    };
    let meaning = meaning
        .trim_end_matches('.')
        .replace('|', "\\|")
        .replace('\n', " ");
    let _ = writeln!(
        text,
        "| {} | {} | {} | {meaning} |",
        code(variable),
        code(flag.unwrap_or_default()),
        code(default),
    );
}

/// The arguments of a command, then those of its verbs.
fn arguments(command: &clap::Command) -> Vec<&clap::Arg> {
    command
        .get_arguments()
        .chain(command.get_subcommands().flat_map(arguments))
        .collect()
}

/// Checks a list of brokers: at least one, each with a host and a port.
fn brokers(text: &str) -> Result<String, String> {
    for broker in text.split(',').map(str::trim) {
        let port = broker
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() {
            return Err(format!(
                "{broker:?} is not host:port; expected a list such as 127.0.0.1:19092,127.0.0.1:29092"
            ));
        }
    }
    Ok(text.to_owned())
}

/// Checks a topic's name by Kafka's own rule: 1 to 249 of ASCII letters, digits, `.`, `_` and `-`.
fn topic(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty()
        || text.len() > 249
        || text == "."
        || text == ".."
        || !text.chars().all(allowed)
    {
        return Err("a topic's name has 1 to 249 letters, digits, '.', '_' or '-'".to_owned());
    }
    Ok(text.to_owned())
}

/// Checks that an address is one of Postgres, without repeating it: it holds a password.
fn database_url(text: &str) -> Result<SecretString, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        Ok(SecretString::from(text))
    } else {
        Err("expected postgres://user:password@host:port/database".to_owned())
    }
}

#[cfg(test)]
mod tests;
