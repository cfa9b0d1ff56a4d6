//! One request of a contract and the answer that it promises, to be compared as a whole.

use super::{Answer, Process};
use uuid::Uuid;

pub const JSON: &str = "application/json";
pub const TEXT: &str = "text/plain; charset=utf-8";
pub const PROBLEM: &str = "application/problem+json";

/// What is asked and what is promised. In a promise `{id}` stands for any UUID, and `…` at its end for any
/// rest.
#[derive(Debug, Clone)]
pub struct Call {
    asked: &'static str,
    sent: Vec<&'static str>,
    body: String,
    status: u16,
    headers: Vec<String>,
    says: String,
}

/// A request: `GET /path`, and a body.
pub fn call(asked: &'static str, body: impl Into<String>) -> Call {
    Call {
        asked,
        sent: Vec::new(),
        body: body.into(),
        status: 0,
        headers: Vec::new(),
        says: String::new(),
    }
}

/// What is answered where no contract has words (RFC 9457).
pub fn problem(status: u16, title: &str, detail: &str) -> String {
    let detail = match detail {
        "" => String::new(),
        words => format!(r#","detail":"{words}""#),
    };
    format!(r#"{{"type":"about:blank","title":"{title}","status":{status}{detail}}}"#)
}

impl Call {
    /// A line of the request's head.
    pub fn header(mut self, line: &'static str) -> Self {
        self.sent.push(line);
        self
    }

    /// The promise. A body of no type is empty; any other is what it says to be.
    pub fn says(mut self, status: u16, kind: &str, says: impl Into<String>) -> Self {
        self.status = status;
        self.says = says.into();
        if kind.is_empty() {
            return self;
        }
        let kind = format!("content-type: {kind}");
        self.with(&kind).with("x-content-type-options: nosniff")
    }

    /// One more line of the answer's head. Others than the promised must not be there.
    pub fn with(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// An answer that is not for browsers: nothing keeps them from guessing its type.
    pub fn guessed(mut self) -> Self {
        self.headers.retain(|line| !line.ends_with("nosniff"));
        self
    }

    fn ask(&self, address: &str) -> Answer {
        let lines: String = self.sent.iter().flat_map(|line| [line, "\r\n"]).collect();
        let (asked, body, length) = (self.asked, &self.body, self.body.len());
        let request = format!(
            "{asked} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}content-length: {length}\r\n\r\n{body}"
        );
        Process::answer(address, &request)
    }

    /// What is wrong with an answer.
    fn differs(&self, answer: &Answer) -> Option<String> {
        let status = format!("HTTP/1.1 {} ", self.status);
        let mut headers = answer.headers.clone();
        headers.retain(|line| !is_of_the_connection(line));
        headers.sort();
        let mut promised = self.headers.clone();
        promised.sort();
        let same = headers.len() == promised.len()
            && promised
                .iter()
                .zip(&headers)
                .all(|(promise, line)| is(promise, line));
        let kept = answer.status.starts_with(&status) && same && is(&self.says, &answer.body);
        let body: String = self.body.chars().take(100).collect();
        let asked = || format!("{} {:?} {body}", self.asked, self.sent);
        (!kept).then(|| format!("{}\n  promised {self:?}\n  answered {answer:?}", asked()))
    }
}

/// Asks for all of it at once, and says of each answer what is wrong with it.
#[track_caller]
pub fn ask_all(address: &str, calls: &[Call]) {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = calls
            .iter()
            .map(|call| scope.spawn(|| call.differs(&call.ask(address))))
            .collect();
        asked
            .into_iter()
            .filter_map(|one| one.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What any answer has.
fn is_of_the_connection(line: &str) -> bool {
    ["connection: ", "content-length: ", "date: "]
        .iter()
        .any(|own| line.starts_with(own))
}

fn is(promise: &str, text: &str) -> bool {
    let (promise, open) = match promise.strip_suffix('…') {
        Some(begin) => (begin, true),
        None => (promise, false),
    };
    let mut rest = text;
    for (at, part) in promise.split("{id}").enumerate() {
        if at > 0 {
            let Some((id, after)) = rest.split_at_checked(36) else {
                return false;
            };
            if Uuid::parse_str(id).is_err() {
                return false;
            }
            rest = after;
        }
        let Some(after) = rest.strip_prefix(part) else {
            return false;
        };
        rest = after;
    }
    open || rest.is_empty()
}
