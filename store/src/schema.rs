//! The tables are as this build expects them, however many processes start at once.

use crate::connection::Store;
use crate::error::StoreError;

impl Store {
    /// Brings the tables up to date. Any number of processes may call it at once; one works, the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Whether every migration that this build knows has been applied.
    ///
    /// A migration that was applied with another text is [`StoreError::Broken`].
    pub async fn schema_is_current(&self) -> Result<bool, StoreError> {
        todo!()
    }
}
