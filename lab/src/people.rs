//! Invented visitors: always the same one for the same number.

/// First names from many places, so that every language's letters pass through the whole pipeline.
const NAMES: [&str; 32] = [
    "Ann",
    "O'Brien",
    "Zoë",
    "Łukasz",
    "Søren",
    "José",
    "Chloé",
    "Jürgen",
    "Ngọc",
    "Ayşe",
    "Óscar",
    "Nuño",
    "Анна",
    "Дмитро",
    "Ελένη",
    "שרה",
    "محمد",
    "नेहा",
    "அருண்",
    "สมชาย",
    "王小明",
    "さくら",
    "민준",
    "Thando",
    "Kwame",
    "Leilani",
    "Aroha",
    "Ximena",
    "Björk",
    "Maja 🦊",
    "Sam & Co",
    "d'Arc",
];

/// What the visitors' browsers call themselves.
const USER_AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
];

/// The name of visitor `number`; no two have the same.
pub fn name(number: usize) -> String {
    let first = NAMES[number % NAMES.len()];
    match number / NAMES.len() {
        0 => first.to_owned(),
        round => format!("{first} {}", round + 1),
    }
}

/// The browser of visitor `number`.
pub fn user_agent(number: usize) -> &'static str {
    USER_AGENTS[number % USER_AGENTS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Username;
    use std::collections::HashSet;

    #[test]
    fn every_visitor_has_a_name_of_its_own_that_the_shop_takes_as_it_is() {
        let names: HashSet<String> = (0..10_000).map(name).collect();
        assert_eq!(names.len(), 10_000);
        for name in names {
            assert_eq!(Username::parse(&name).unwrap().as_str(), name);
        }
    }
}
