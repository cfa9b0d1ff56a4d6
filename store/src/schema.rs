//! The tables are as this build expects them, however many processes start at once.

use crate::connection::Store;
use crate::error::{StoreError, is_said};
use sqlx::Connection;
use sqlx::migrate::{Migrate, MigrateError, Migrator};

/// The migrations of this build.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// What Postgres says when a table is not there.
const UNDEFINED_TABLE: &str = "42P01";

impl Store {
    /// Brings the tables up to date. Any number of processes may call it at once: one works under an advisory
    /// lock, the others wait up to a minute for it and then find nothing to do.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self
            .connect_with(&[("statement_timeout", "0"), ("lock_timeout", "60s")])
            .await?;
        MIGRATIONS
            .run(&mut connection)
            .await
            .map_err(driver_error)?;
        connection.close().await?;
        Ok(())
    }

    /// Whether every migration that this build knows has been applied.
    ///
    /// A migration that was applied with another text is [`StoreError::Broken`].
    pub async fn schema_is_current(&self) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let applied = async {
            session
                .list_applied_migrations(&MIGRATIONS.table_name)
                .await
                .map_err(driver_error)
        };
        let applied = match self.answer(applied).await {
            Ok(applied) => applied,
            Err(error) if is_said(&error, UNDEFINED_TABLE) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        session.finish();
        for known in MIGRATIONS.iter() {
            match applied.iter().find(|done| done.version == known.version) {
                None => return Ok(false),
                Some(done) if done.checksum != known.checksum => {
                    return Err(driver_error(MigrateError::VersionMismatch(known.version)).into());
                }
                Some(_) => {}
            }
        }
        Ok(true)
    }
}

/// The error within an error of the migrator, where there is one: it says whether to try again.
fn driver_error(error: MigrateError) -> sqlx::Error {
    match error {
        MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => inner,
        other => other.into(),
    }
}
