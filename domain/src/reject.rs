//! Why a message of the topic cannot become a row. The stream goes on; the message is kept with its reason.

/// A reason for a rejected message. `Display` is the text that operators read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The record has no value, or an empty one.
    #[error("the message is empty")]
    Empty,
    /// The value is longer than [`crate::wire::MESSAGE_MAX_BYTES`].
    #[error("the message has {bytes} bytes; {max} is the most")]
    TooLarge {
        /// The message's length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Not a UTF-8 JSON object, or nested too deeply.
    #[error("not a JSON object: {0}")]
    NotJson(String),
    /// A field has a value that its type, length or range does not allow.
    #[error("{field}: {problem}")]
    Field {
        /// The field's name on the wire.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Postgres refused the row although it had passed every check here.
    #[error("refused by the database ({sqlstate}): {message}")]
    Database {
        /// The five-character SQLSTATE.
        sqlstate: String,
        /// Postgres' primary message.
        message: String,
    },
}

impl Reject {
    /// A short, stable word for the kind of reason: for counting and filtering.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too_large",
            Self::NotJson(_) => "not_json",
            Self::Field { .. } => "field",
            Self::Database { .. } => "database",
        }
    }
}
