//! Which click it is. The same click always gets the same id, so sending it again changes nothing.
//!
//! Ids made here are UUIDv5 (RFC 9562, section 5.5): a name in, the same id out. Fresh ids (v7) need a
//! clock and chance and are minted in the collector.

use crate::choice::Choice;
use uuid::Uuid;

/// The namespace of every id that this project derives; itself made once, at random.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0e_3c5a_9d2b_4b8e_8a51_27c4_d0f3_91e6);

/// The id of one click on a product: the form's token, who sent it and what was chosen.
///
/// Submitting a form twice, or reloading its answer, gives the same id; going back and choosing
/// something else, or becoming somebody else, gives another.
pub fn from_form(token: Uuid, username: &str, event_type: &str, choice: &Choice) -> Uuid {
    let mut name = Vec::with_capacity(192);
    part(&mut name, b"form");
    part(&mut name, token.as_bytes());
    part(&mut name, username.as_bytes());
    part(&mut name, event_type.as_bytes());
    for (field, value) in choice.pairs() {
        part(&mut name, field.as_bytes());
        part(&mut name, value.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// The id of one purchase: the form's token, who sent it and what lay in the cart, as the form says it.
pub fn from_cart(token: Uuid, username: &str, items: &str) -> Uuid {
    let mut name = Vec::with_capacity(items.len() + 128);
    part(&mut name, b"cart");
    part(&mut name, token.as_bytes());
    part(&mut name, username.as_bytes());
    part(&mut name, items.as_bytes());
    Uuid::new_v5(&NAMESPACE, &name)
}

/// Where a record lies in Kafka and what it says: the identity of a message that brought no id.
#[derive(Debug, Clone, Copy)]
pub struct RecordIdentity<'a> {
    /// The topic's id where it is known, else its name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The record's time in milliseconds since 1970, as the broker wrote it.
    pub record_time_ms: i64,
    /// The record's value.
    pub value: &'a [u8],
}

/// The id of a message that brought none: reading it again gives the same id.
pub fn from_record(record: &RecordIdentity<'_>) -> Uuid {
    let mut name = Vec::with_capacity(record.value.len() + 64);
    part(&mut name, b"record");
    part(&mut name, record.topic.as_bytes());
    part(&mut name, &record.partition.to_be_bytes());
    part(&mut name, &record.offset.to_be_bytes());
    part(&mut name, &record.record_time_ms.to_be_bytes());
    part(&mut name, record.value);
    Uuid::new_v5(&NAMESPACE, &name)
}

/// The id for a client's own id that is no UUID; `write_key_name` keeps two clients' ids apart.
pub fn from_client_text(write_key_name: &str, id: &str) -> Uuid {
    let mut name = Vec::with_capacity(id.len() + write_key_name.len() + 32);
    part(&mut name, b"client");
    part(&mut name, write_key_name.as_bytes());
    part(&mut name, id.as_bytes());
    Uuid::new_v5(&NAMESPACE, &name)
}

/// Appends one part with its length before it, so that no two lists of parts run together.
fn part(name: &mut Vec<u8>, bytes: &[u8]) {
    name.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    name.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Category, Size};

    #[test]
    fn the_same_form_gives_the_same_id_and_another_choice_another() {
        let token = Uuid::from_u128(7);
        let open = Choice::default();
        let shirt = Choice {
            category: Some(Category::Shirt),
            ..open
        };
        let id = from_form(token, "Ann", "add_to_cart", &open);
        assert_eq!(id, from_form(token, "Ann", "add_to_cart", &open));
        assert_ne!(id, from_form(token, "Ann", "add_to_cart", &shirt));
        assert_ne!(id, from_form(token, "Ann", "item_click", &open));
        let other = Uuid::from_u128(8);
        assert_ne!(id, from_form(other, "Ann", "add_to_cart", &open));
    }

    #[test]
    fn two_visitors_with_one_form_make_two_clicks() {
        let token = Uuid::from_u128(7);
        let open = Choice::default();
        assert_ne!(
            from_form(token, "Ann", "add_to_cart", &open),
            from_form(token, "Bob", "add_to_cart", &open)
        );
        assert_ne!(
            from_cart(token, "Ann", "things"),
            from_cart(token, "Bob", "things")
        );
    }

    #[test]
    fn a_purchase_of_other_things_is_another() {
        let token = Uuid::from_u128(7);
        let id = from_cart(token, "Ann", "one");
        assert_eq!(id, from_cart(token, "Ann", "one"));
        assert_ne!(id, from_cart(token, "Ann", "onetwo"));
        assert_ne!(id, from_cart(Uuid::from_u128(8), "Ann", "one"));
        assert_ne!(from_cart(token, "Ann", "x"), from_cart(token, "Annx", ""));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(from_client_text("ab", "c"), from_client_text("a", "bc"));
        let token = Uuid::from_u128(1);
        let size = Choice {
            size: Some(Size::S),
            ..Choice::default()
        };
        assert_ne!(
            from_form(token, "Ann", "x", &size),
            from_form(token, "Ann", "x", &Choice::default())
        );
    }

    #[test]
    fn a_record_is_known_by_its_place_its_time_and_its_value() {
        let record = RecordIdentity {
            topic: "clickstream",
            partition: 1,
            offset: 2,
            record_time_ms: 3,
            value: b"{}",
        };
        let id = from_record(&record);
        assert_eq!(id, from_record(&record));
        assert_ne!(
            id,
            from_record(&RecordIdentity {
                offset: 3,
                ..record
            })
        );
        assert_ne!(
            id,
            from_record(&RecordIdentity {
                value: b"{ }",
                ..record
            })
        );
    }
}
