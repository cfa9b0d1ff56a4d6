//! The front doors of the two apps, and what a client hears there.

use super::deed::Request;
use anyhow::Context as _;
use reqwest::{Client, StatusCode, header};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// An app answers within its own 2 s and a look at its disk; after this a client gives up.
const PATIENCE: Duration = Duration::from_secs(8);

/// What became of a request, as far as its sender knows.
#[derive(Debug)]
pub enum Answer {
    /// All of its events are acknowledged.
    Kept(Vec<Uuid>),
    /// Nothing is promised; try again later.
    Refused(StatusCode),
    /// No answer came: it may be kept or not.
    Unknown(String),
    /// Nobody was there to take it.
    Unreached,
    /// An answer that a valid request must not get.
    Wrong(String),
}

/// A client's way to both apps.
#[derive(Debug, Clone)]
pub struct Doors {
    client: Client,
    /// `http://host:port` of each.
    addresses: [String; 2],
}

impl Doors {
    /// The doors at these addresses (`host:port`), with connections of its own.
    pub fn new(addresses: &[String; 2]) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self {
            client,
            addresses: addresses.clone().map(|address| format!("http://{address}")),
        })
    }

    /// Whether somebody answers at a door.
    pub async fn is_open(&self, door: usize) -> Result<(), String> {
        let answer = self.client.get(format!("{}/health", self.addresses[door]));
        answer.send().await.map(drop).map_err(|e| e.to_string())
    }

    /// What an app tells the staff to be wrong, in the sentences of its page.
    pub async fn problems(&self, door: usize) -> anyhow::Result<Vec<String>> {
        let answer = self.client.get(format!("{}/balance", self.addresses[door]));
        let answer = answer.send().await?.error_for_status()?;
        problems(&answer.text().await?)
    }

    /// Sends a request to one door.
    pub async fn send(&self, door: usize, request: &Request) -> Answer {
        let address = &self.addresses[door];
        let sending = match request {
            Request::Event { body, .. } | Request::Minted { body } => {
                self.client.post(format!("{address}/event")).json(body)
            }
            Request::Events { body, .. } => {
                self.client.post(format!("{address}/events")).json(body)
            }
            Request::Form {
                username,
                token,
                choice,
            } => {
                let mut form = choice.pairs();
                form.push(("token", token.to_string()));
                self.client
                    .post(format!("{address}/cart"))
                    .header(header::ACCEPT, "application/json")
                    // Letters and digits: nothing to escape.
                    .header(header::COOKIE, format!("username={username}"))
                    .form(&form)
            }
        };
        let answer = match sending.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Answer::Unreached,
            Err(error) => return Answer::Unknown(cause(&error)),
        };
        let status = answer.status();
        match answer.text().await {
            Ok(text) => heard(request, status, &text),
            Err(error) => Answer::Unknown(cause(&error)),
        }
    }
}

/// The innermost reason: the outer ones repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Reads the answer of `GET /balance`.
fn problems(text: &str) -> anyhow::Result<Vec<String>> {
    let figures: Value = serde_json::from_str(text)?;
    let problems = figures["problems"].as_array().context("no `problems`")?;
    let words = problems
        .iter()
        .map(|one| Some(one.as_str()?.to_owned()))
        .collect::<Option<_>>();
    words.context("a problem without words")
}

/// Reads an answer that came whole.
fn heard(request: &Request, status: StatusCode, text: &str) -> Answer {
    if matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    ) {
        return Answer::Refused(status);
    }
    let wrong = || Answer::Wrong(format!("{:?}: {status} {text}", request.source()));
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        return wrong();
    };
    if !status.is_success() {
        return wrong();
    }
    let id = |value: &Value| value.as_str().and_then(|id| Uuid::parse_str(id).ok());
    let ids: Option<Vec<Uuid>> = match request {
        Request::Event { .. } | Request::Minted { .. } => id(&body["id"]).map(|id| vec![id]),
        Request::Events { .. } => body["results"].as_array().and_then(|results| {
            let queued = |one: &&Value| one["status"] == "queued";
            let all_queued = results.iter().all(|one| queued(&one));
            all_queued.then(|| results.iter().map(|one| id(&one["id"])).collect())?
        }),
        Request::Form { .. } => id(&body["receipt"]["event_id"]).map(|id| vec![id]),
    };
    match ids {
        // The answer must be about what was sent.
        Some(ids) if !request.may_be_repeated() || ids == request.ids() => Answer::Kept(ids),
        _ => wrong(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: Uuid = Uuid::from_u128(7);

    fn event() -> Request {
        Request::Event {
            id: ID,
            body: json!({}),
        }
    }

    #[test]
    fn only_a_success_about_the_very_event_is_an_acknowledgement() {
        let accepted = StatusCode::ACCEPTED;
        let good = json!({ "id": ID, "status": "accepted" }).to_string();
        assert!(matches!(heard(&event(), accepted, &good), Answer::Kept(ids) if ids == [ID]));
        let other = json!({ "id": Uuid::from_u128(8) }).to_string();
        for (status, text) in [
            (accepted, other.as_str()),
            (accepted, "{}"),
            (accepted, "queued"),
            (StatusCode::BAD_REQUEST, &good),
        ] {
            let heard = heard(&event(), status, text);
            assert!(matches!(heard, Answer::Wrong(_)), "{status} {text}");
        }
        let refused = heard(&event(), StatusCode::SERVICE_UNAVAILABLE, "later");
        assert!(matches!(refused, Answer::Refused(_)));
    }

    #[test]
    fn a_page_that_cannot_be_read_is_not_one_without_problems() {
        let said = problems(r#"{"balanced":true,"problems":["Broker 2 is down."]}"#).unwrap();
        assert_eq!(said, ["Broker 2 is down."]);
        assert!(problems(r#"{"problems":[]}"#).unwrap().is_empty());
        for text in ["", "{}", r#"{"problems":7}"#, r#"{"problems":[7]}"#] {
            assert!(problems(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_batch_is_acknowledged_when_each_of_its_events_is() {
        let batch = Request::Events {
            ids: vec![ID],
            body: json!([]),
        };
        let answer = |status| json!({ "results": [{ "id": ID, "status": status }] }).to_string();
        let heard = |status| heard(&batch, StatusCode::ACCEPTED, &answer(status));
        assert!(matches!(heard("queued"), Answer::Kept(_)));
        assert!(matches!(heard("refused"), Answer::Wrong(_)));
    }
}
