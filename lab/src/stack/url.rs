//! `postgres://user:password@server/database`, taken apart, so that one part can be another.

use anyhow::Context as _;
use std::fmt;
use std::net::SocketAddr;

/// The parts of an address of Postgres; its parameters are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// `user:password`.
    pub credentials: String,
    /// `host:port`.
    pub server: String,
    /// The database's name.
    pub database: String,
}

impl DatabaseUrl {
    /// Reads an address.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        let parts = || {
            let rest = url.split_once("://")?.1;
            let (credentials, rest) = rest.rsplit_once('@')?;
            let (server, database) = rest.split_once('/')?;
            Some(Self {
                credentials: credentials.to_owned(),
                server: server.to_owned(),
                database: database.split('?').next()?.to_owned(),
            })
        };
        // The address holds a password, so it is not repeated.
        parts().context("DATABASE_URL is not postgres://user:password@host:port/database")
    }

    /// The same server, another database.
    #[must_use]
    pub fn database(&self, name: &str) -> Self {
        Self {
            database: name.to_owned(),
            ..self.clone()
        }
    }

    /// The same database, behind another address.
    #[must_use]
    pub fn behind(&self, server: SocketAddr) -> Self {
        Self {
            server: server.to_string(),
            ..self.clone()
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            credentials,
            server,
            database,
        } = self;
        write!(f, "postgres://{credentials}@{server}/{database}")
    }
}

/// The first address of `host:port`.
pub async fn address(server: &str) -> anyhow::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host(server).await?;
    found
        .next()
        .with_context(|| format!("{server} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read_but_for_what_was_changed() {
        let url =
            DatabaseUrl::parse("postgres://default:p@ss@127.0.0.1:5432/click?sslmode=disable")
                .unwrap();
        assert_eq!(
            url.to_string(),
            "postgres://default:p@ss@127.0.0.1:5432/click"
        );
        assert_eq!(
            url.database("other")
                .behind(([127, 0, 0, 1], 9).into())
                .to_string(),
            "postgres://default:p@ss@127.0.0.1:9/other"
        );
        assert!(DatabaseUrl::parse("postgres://nowhere").is_err());
    }
}
