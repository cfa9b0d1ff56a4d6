//! A visitor's name, stored and shown exactly as given.

use serde::{Deserialize, Serialize};

/// The most characters (Unicode scalar values) a shop visitor's name may have: `varchar(32)`.
pub const USERNAME_MAX_CHARS: usize = 32;

/// A shop visitor's name: 1 to 32 characters after trimming, any language, no NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

/// Why a name cannot be used; the texts are for the visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Nothing but white space.
    #[error("Please give a name: the clicks need an owner.")]
    Empty,
    /// More than [`USERNAME_MAX_CHARS`] characters.
    #[error("A name has at most 32 characters.")]
    TooLong,
    /// Contains U+0000, which Postgres cannot store.
    #[error("A name cannot contain the NUL character.")]
    Nul,
}

impl Username {
    /// Trims white space at both ends and checks the rest.
    pub fn parse(given: &str) -> Result<Self, UsernameError> {
        let name = given.trim();
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.contains('\0') {
            return Err(UsernameError::Nul);
        }
        if name.chars().count() > USERNAME_MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.0
    }
}

impl std::fmt::Display for Username {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("  Ann ", "Ann")]
    #[case("O'Brien", "O'Brien")]
    #[case("<script>alert(1)</script>", "<script>alert(1)</script>")]
    #[case("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦")]
    #[case("王小明", "王小明")]
    fn a_name_is_kept_as_given_but_for_the_ends(#[case] given: &str, #[case] kept: &str) {
        assert_eq!(Username::parse(given).unwrap().as_str(), kept);
    }

    #[rstest]
    #[case("", UsernameError::Empty)]
    #[case(" \t\n", UsernameError::Empty)]
    #[case("a\0b", UsernameError::Nul)]
    #[case("123456789012345678901234567890123", UsernameError::TooLong)]
    fn what_is_no_name_is_refused_with_its_reason(#[case] given: &str, #[case] why: UsernameError) {
        assert_eq!(Username::parse(given), Err(why));
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_accepted_again_unchanged(text in any::<String>()) {
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(Username::parse(name.as_str()), Ok(name));
            }
        }
    }
}
