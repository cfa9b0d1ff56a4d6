//! Errors named for the caller's next move, and the one rule that tells them apart.

/// A question to Postgres that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres is away or busy; the same call may succeed later.
    #[error("the database is away or busy: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Postgres is there and refuses; the same call will fail again.
    #[error("the database refuses: {0}")]
    Broken(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether Postgres cannot be reached or says itself that it serves nobody now. An answer such as "locked" or
    /// "too slow" comes from a Postgres that is there.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unavailable(error) => is_away(error),
            Self::Broken(_) => false,
        }
    }
}

impl IngestError {
    /// The same as [`StoreError::is_away`].
    pub fn is_away(&self) -> bool {
        match self {
            Self::Transient(error) => is_away(error),
            Self::Fenced | Self::Data { .. } | Self::Halt { .. } => false,
        }
    }
}

fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(said) => serves_nobody(said.code().as_deref().unwrap_or_default()),
        _ => true,
    }
}

/// Whether our own `lock_timeout` ended the statement.
pub(crate) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    is_said(error, "55P03")
}

/// Whether Postgres ended the connection because somebody told it to: its operator, or a successor in a lease.
pub(crate) fn was_ended(error: &sqlx::Error) -> bool {
    is_said(error, "57P01")
}

/// Whether Postgres answered with this SQLSTATE.
pub(crate) fn is_said(error: &sqlx::Error, sqlstate: &str) -> bool {
    error
        .as_database_error()
        .is_some_and(|said| said.code().as_deref() == Some(sqlstate))
}

/// Broken connections, no connection left for us, and a server that ends, crashed or starts.
fn serves_nobody(sqlstate: &str) -> bool {
    sqlstate.starts_with("08") || matches!(sqlstate, "53300" | "57P01" | "57P02" | "57P03")
}

/// A batch that was not written. In each case nothing of it was, or ([`Self::Transient`]) all of it may have been.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Another holder has the lease, or it stands elsewhere: nothing was written, or all of it just before the other
    /// took over. Acquire again after a while, or stop.
    #[error("the lease is held by another, or does not stand at the batch's first offset")]
    Fenced,
    /// Postgres is away, or the connection broke: the outcome is unknown. Acquire again, and start where
    /// that says.
    #[error("the database is unavailable: {0}")]
    Transient(#[source] sqlx::Error),
    /// A value of the batch cannot be stored: nothing was written. Split the batch until the bad event is
    /// alone, and reject that.
    #[error("a value was refused ({sqlstate}): {message}")]
    Data {
        /// The five-character SQLSTATE.
        sqlstate: String,
        /// Postgres' primary message.
        message: String,
    },
    /// Our own mistake, not the visitor's: nothing was written. Stop this partition loudly.
    #[error("the database refuses the batch: {reason}")]
    Halt {
        /// What Postgres said, with its SQLSTATE.
        reason: String,
        /// The driver's own error.
        #[source]
        source: sqlx::Error,
    },
}

/// What to do about an error of the ingest statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again later, after acquiring again.
    Transient,
    /// A value is at fault.
    Data,
    /// We are at fault.
    Halt,
}

/// Judges a SQLSTATE, given the column and the constraint that Postgres named with it.
///
/// - class 22 (data exception): a value is at fault;
/// - 23502 on a named column, 23514 on a named constraint: likewise. Postgres also says 23514, without a
///   constraint, when no partition is there for a row: that is our mistake;
/// - classes 08, 40, 53, 57 (connection, rollback, resources, operator) and 55P03, which our own
///   `lock_timeout` causes: try again;
/// - all else is unlisted, so it is our mistake until somebody has thought about it.
pub fn judge(sqlstate: &str, column: Option<&str>, constraint: Option<&str>) -> Verdict {
    match (sqlstate, sqlstate.get(..2).unwrap_or_default()) {
        (_, "22") => Verdict::Data,
        ("23502", _) if column.is_some() => Verdict::Data,
        ("23514", _) if constraint.is_some() => Verdict::Data,
        ("55P03", _) | (_, "08" | "40" | "53" | "57") => Verdict::Transient,
        _ => Verdict::Halt,
    }
}

/// Judges any error of the driver.
fn judge_error(error: &sqlx::Error) -> Verdict {
    match error {
        sqlx::Error::Database(said) => {
            let column = said
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .and_then(sqlx::postgres::PgDatabaseError::column);
            judge(
                said.code().as_deref().unwrap_or_default(),
                column,
                said.constraint(),
            )
        }
        // A value that the driver cannot even write down, such as a batch of more than 2 GiB.
        sqlx::Error::Encode(_) => Verdict::Data,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Verdict::Transient,
        _ => Verdict::Halt,
    }
}

impl From<sqlx::Error> for IngestError {
    fn from(error: sqlx::Error) -> Self {
        match judge_error(&error) {
            Verdict::Transient => Self::Transient(error),
            Verdict::Data => {
                let said = error.as_database_error();
                Self::Data {
                    sqlstate: said
                        .and_then(sqlx::error::DatabaseError::code)
                        .map_or_else(|| "22000".to_owned(), std::borrow::Cow::into_owned),
                    message: said.map_or_else(|| error.to_string(), |d| d.message().to_owned()),
                }
            }
            Verdict::Halt => Self::Halt {
                reason: describe(&error),
                source: error,
            },
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match judge_error(&error) {
            Verdict::Transient => Self::Unavailable(error),
            Verdict::Data | Verdict::Halt => Self::Broken(error),
        }
    }
}

/// An error in one line, with the SQLSTATE where there is one.
fn describe(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(said) => format!(
            "{} ({})",
            said.message(),
            said.code().as_deref().unwrap_or("no SQLSTATE")
        ),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::connection_broken("08006", true)]
    #[case::starting("57P03", true)]
    #[case::no_connection_left("53300", true)]
    #[case::too_slow("57014", false)]
    #[case::locked("55P03", false)]
    #[case::deadlock("40P01", false)]
    #[case::disk_full("53100", false)]
    fn a_postgres_that_answers_is_not_away(#[case] sqlstate: &str, #[case] away: bool) {
        assert_eq!(serves_nobody(sqlstate), away);
    }

    #[test]
    fn no_answer_is_away_and_a_refusal_is_not() {
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_away());
        assert!(IngestError::from(sqlx::Error::PoolTimedOut).is_away());
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_away());
    }

    #[rstest]
    #[case::text_too_long("22001", None, None, Verdict::Data)]
    #[case::time_out_of_range("22008", None, None, Verdict::Data)]
    #[case::nul_in_a_text("22021", None, None, Verdict::Data)]
    #[case::nul_in_json("22P05", None, None, Verdict::Data)]
    #[case::null_in_a_column("23502", Some("username"), None, Verdict::Data)]
    #[case::null_nowhere("23502", None, None, Verdict::Halt)]
    #[case::check_by_name("23514", None, Some("events_count_positive"), Verdict::Data)]
    #[case::no_partition_for_row("23514", None, None, Verdict::Halt)]
    #[case::unique_violation("23505", None, Some("events_pkey"), Verdict::Halt)]
    #[case::foreign_key("23503", None, Some("x_fkey"), Verdict::Halt)]
    #[case::connection_failure("08006", None, None, Verdict::Transient)]
    #[case::serialization("40001", None, None, Verdict::Transient)]
    #[case::deadlock("40P01", None, None, Verdict::Transient)]
    #[case::disk_full("53100", None, None, Verdict::Transient)]
    #[case::too_many_connections("53300", None, None, Verdict::Transient)]
    #[case::statement_timeout("57014", None, None, Verdict::Transient)]
    #[case::shutting_down("57P01", None, None, Verdict::Transient)]
    #[case::starting_up("57P03", None, None, Verdict::Transient)]
    #[case::our_own_lock_timeout("55P03", None, None, Verdict::Transient)]
    #[case::object_in_use("55006", None, None, Verdict::Halt)]
    #[case::no_such_table("42P01", None, None, Verdict::Halt)]
    #[case::no_permission("42501", None, None, Verdict::Halt)]
    #[case::read_only("25006", None, None, Verdict::Halt)]
    #[case::internal("XX000", None, None, Verdict::Halt)]
    #[case::nothing_said("", None, None, Verdict::Halt)]
    #[case::two_bytes_of_one_character("é", None, None, Verdict::Halt)]
    fn each_sqlstate_has_its_verdict(
        #[case] sqlstate: &str,
        #[case] column: Option<&str>,
        #[case] constraint: Option<&str>,
        #[case] verdict: Verdict,
    ) {
        assert_eq!(judge(sqlstate, column, constraint), verdict);
    }

    #[test]
    fn silence_is_transient_and_a_surprise_halts() {
        let lost: IngestError = sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into()).into();
        assert!(matches!(lost, IngestError::Transient(_)));
        let waited: StoreError = sqlx::Error::PoolTimedOut.into();
        assert!(matches!(waited, StoreError::Unavailable(_)));
        let odd: IngestError = sqlx::Error::RowNotFound.into();
        assert!(matches!(odd, IngestError::Halt { .. }));
    }
}
