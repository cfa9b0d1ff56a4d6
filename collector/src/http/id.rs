//! What a client's own id means: the same id again is the same event.

use crate::Draft;
use domain::ids;
use uuid::Uuid;

/// The most characters of an id.
const MAX_CHARS: usize = 100;

/// What a program writes when it has no id and does not notice.
pub(super) const JUNK: [&str; 4] = ["null", "undefined", "[object Object]", "0"];

/// The name that ids without a write key are told apart by. These contracts know no write keys.
const NO_KEY: &str = "";

/// An id that a client gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientId {
    /// The event's identity.
    pub event_id: Uuid,
    /// The id as it was given, for the answer.
    pub given: String,
    /// Whether `given` is something else than a UUID, from which [`Self::event_id`] was derived.
    pub derived: bool,
}

/// Reads an id: a UUID is itself, any other text stands for a UUID of its own. None when none was given;
/// an error tells what is wrong.
pub(super) fn read(given: Option<String>) -> Result<Option<ClientId>, &'static str> {
    read_from(NO_KEY, given)
}

/// The same for an id from whoever has the write key of this name: another one's same text is another id.
pub(super) fn read_from(
    key_name: &str,
    given: Option<String>,
) -> Result<Option<ClientId>, &'static str> {
    let Some(given) = given.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    if let Ok(event_id) = Uuid::parse_str(&given) {
        let id = ClientId {
            event_id: not_nil(event_id)?,
            given,
            derived: false,
        };
        return Ok(Some(id));
    }
    not_junk(&given)?;
    if given.chars().count() > MAX_CHARS {
        return Err("has more than 100 characters");
    }
    if given.contains('\0') {
        return Err("contains the NUL character");
    }
    Ok(Some(ClientId {
        event_id: ids::from_client_text(key_name, &given),
        given,
        derived: true,
    }))
}

/// Gives a draft the id that its client chose, and returns the text for the answer. What is no UUID is
/// kept beside the event, whose id does not show it.
pub(super) fn give(id: Option<ClientId>, draft: &mut Draft) -> Option<String> {
    give_as("id", id, draft)
}

/// The same for a contract that calls the id otherwise.
pub(super) fn give_as(name: &str, id: Option<ClientId>, draft: &mut Draft) -> Option<String> {
    let id = id?;
    draft.event_id = Some(id.event_id);
    draft.client_id = true;
    if id.derived {
        let property = draft.properties.entry(name);
        property.or_insert_with(|| id.given.as_str().into());
    }
    Some(id.given)
}

/// Refuses what a program writes that has no id, of an event, a visit or a person, and does not notice:
/// all of them would be one.
pub(super) fn not_junk(id: &str) -> Result<(), &'static str> {
    if JUNK.contains(&id) {
        return Err("is no id, but what a program writes that has none");
    }
    match Uuid::parse_str(id) {
        Ok(id) => not_nil(id).map(drop),
        Err(_) => Ok(()),
    }
}

/// Refuses the UUID that stands for none.
pub(super) fn not_nil(id: Uuid) -> Result<Uuid, &'static str> {
    if id.is_nil() {
        Err("is the nil UUID, which stands for no id")
    } else {
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn of(text: &str) -> Result<Option<ClientId>, &'static str> {
        read(Some(text.to_owned()))
    }

    #[test]
    fn a_uuid_is_itself_and_no_id_is_none() {
        let text = "0190A8F2-0000-7000-8000-00000000000A";
        let id = of(text).unwrap().unwrap();
        assert_eq!(id.event_id, Uuid::parse_str(text).unwrap());
        assert_eq!((id.given.as_str(), id.derived), (text, false));
        assert_eq!(of(""), Ok(None));
        assert_eq!(read(None), Ok(None));
    }

    #[test]
    fn another_text_is_always_the_same_event() {
        let id = of("order-17").unwrap().unwrap();
        assert_eq!(of("order-17"), Ok(Some(id.clone())));
        assert_ne!(of("order-18").unwrap().unwrap().event_id, id.event_id);
        assert!(id.derived);
        assert!(of(&"ä".repeat(100)).is_ok());
    }

    #[test]
    fn a_draft_is_given_the_id_and_keeps_what_it_does_not_show() {
        let mut draft = Draft::default();
        assert_eq!(give(None, &mut draft), None);
        assert!(!draft.client_id);
        let answer = give(of("order-17").unwrap(), &mut draft);
        assert_eq!(answer.as_deref(), Some("order-17"));
        assert!(draft.client_id && draft.event_id.is_some());
        assert_eq!(draft.properties["id"], "order-17");
    }

    #[rstest]
    #[case("null")]
    #[case("undefined")]
    #[case("[object Object]")]
    #[case("0")]
    #[case("00000000-0000-0000-0000-000000000000")]
    #[case("a\0b")]
    #[case(&"x".repeat(101))]
    fn what_is_no_id_is_refused(#[case] text: &str) {
        assert!(of(text).is_err());
    }
}
